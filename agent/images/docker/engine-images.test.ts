import type Docker from "dockerode";
import { expect, test } from "vitest";
import type { ImageRecord } from "../image-record.ts";
import { EngineImages } from "./engine-images.ts";

// the engine is played: no real one fails to remove one image and removes the next
test("an image that cannot be removed keeps none of the others, and is told of", async () => {
  const removed: string[] = [];
  const forgotten: string[] = [];
  const docker = {
    listImages: async () => [{ Id: "nameless-1" }, { Id: "nameless-2" }],
    getImage: (id: string) => ({
      inspect: async () => ({ Id: id, RepoTags: [] }),
      async remove() {
        if (id.endsWith("1")) throw Object.assign(new Error("device busy"), { statusCode: 500 });
        removed.push(id);
      },
    }),
  } as unknown as Docker;
  const record = {
    released: () => ["released-1", "released-2"],
    hasId: () => false,
    forgetReleased: (id: string) => void forgotten.push(id),
  } as unknown as ImageRecord;
  const images = new EngineImages({ docker, record, instance: "i", temporary: "t" });
  await expect(images.collect()).rejects.toThrow("device busy");
  expect(removed).toEqual(["released-2", "nameless-2"]);
  expect(forgotten).toEqual(["released-2"]);
});
