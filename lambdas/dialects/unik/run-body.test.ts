import { describe, expect, it } from "vitest";
import type { Image } from "./holdings.ts";
import { memoryOf } from "./run-body.ts";

const image = (compiler: string) => ({ content: { compiler } }) as Image;

describe("the memory of an instance", () => {
  it.each([
    ["docker-c-docker", 0, 256, 256],
    ["docker-c-docker", 0, undefined, 512],
    ["linux-c-qemu", 0, 1024, 128],
    ["linux-c-qemu", 0, 300, 108],
    ["linux-c-qemu", 832, 1024, 832],
    ["baremetal-c-qemu", 0, 256, 64],
  ])("of %s: asked for %i of %s MiB it is %i", (compiler, asked, edgeMb, told) => {
    expect(memoryOf(asked, image(compiler), edgeMb)).toBe(told);
  });

  it.each([
    ["linux-c-qemu", 95, 1024, "MemoryMb must be at least 96"],
    ["linux-c-qemu", 833, 1024, "MemoryMb must be at most 832"],
    ["linux-c-qemu", 0, 256, "the edge gives one instance too little memory: 96 MiB are needed"],
  ])("of %s: %i of %i MiB is refused", (compiler, asked, edgeMb, text) => {
    expect(() => memoryOf(asked, image(compiler), edgeMb)).toThrow(text);
  });
});
