import { Readable } from "node:stream";
import type Docker from "dockerode";
import { expect, it } from "vitest";
import { runBuild } from "./image-work.ts";

it("hears of a context that failed before the engine was asked", async () => {
  const context = new Readable({ read() {} });
  const docker = {
    buildImage: async () => {
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
  const failure = new Error("the context broke");
  context.once("error", () => undefined);
  context.destroy(failure);
  await new Promise((resolve) => context.once("close", resolve));
  const limits = { name: "n", memory: 1, cpus: 1, cgroupParent: "/p", rootDirectory: undefined };
  await expect(runBuild(docker, work, limits)).rejects.toBe(failure);
});
