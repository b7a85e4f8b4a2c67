import { Readable } from "node:stream";
import type Docker from "dockerode";
import { expect, it } from "vitest";
import { runBuild } from "./image-work.ts";

it("hears of a context that fails while the engine is still asked who it is", async () => {
  const context = new Readable({ read() {} });
  const asked = Promise.withResolvers<object>();
  const docker = {
    info: () => asked.promise,
    buildImage: async (_: unknown, { abortSignal }: { abortSignal: AbortSignal }) => {
      abortSignal.throwIfAborted();
      throw new Error("was sent all the same");
    },
  } as unknown as Docker;
  const work = {
    command: "c",
    user: "u",
    signal: new AbortController().signal,
    onLine() {},
    context,
    dockerfile: "Dockerfile",
    maxBytes: 1,
  };
  const building = runBuild(docker, work, { name: "n", memory: 1, cpus: 1, cgroupParent: "/p" });
  const failure = new Error("the context broke");
  context.destroy(failure);
  await new Promise((resolve) => context.once("close", resolve));
  asked.resolve({});
  await expect(building).rejects.toBe(failure);
});
