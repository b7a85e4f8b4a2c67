import { describe, expect, it } from "vitest";
import type { HandedImage } from "./handed-images.ts";
import { bytesOf, garbageOf, toMakeRoom } from "./retention.ts";

const image = (
  name: string,
  blobs: Record<string, number>,
  more: Partial<HandedImage> = {},
): HandedImage => ({
  user: "ada",
  imageId: `sha256:${name}`,
  repository: `ada-${name}`,
  tag: "t",
  state: "held",
  digest: `sha256:m-${name}`,
  blobs: Object.entries(blobs).map(([digest, size]) => ({ digest, size })),
  usedAt: 0,
  seal: "",
  ...more,
});
const never = () => false;

describe("what the registry holds", () => {
  it("counts what images share once", () => {
    expect(bytesOf([image("a", { base: 100, a: 1 }), image("b", { base: 100, b: 2 })])).toBe(103);
  });

  it("counts as garbage only what nothing that is held needs", () => {
    const gone = image("b", { base: 100, b: 2 }, { state: "deleted" });
    expect(garbageOf([image("a", { base: 100, a: 1 }), gone])).toBe(2);
    expect(garbageOf([gone])).toBe(102);
  });
});

describe("making room", () => {
  const old = image("old", { base: 100, old: 10 }, { usedAt: 1 });
  const young = image("young", { base: 100, young: 20 }, { usedAt: 2 });

  it("drops nothing while there is room", () => {
    expect(toMakeRoom([old, young], { needed: 70, most: 200, inUse: never })).toEqual([]);
  });

  it("drops the longest unused first, and only as many as it takes", () => {
    expect(toMakeRoom([young, old], { needed: 75, most: 200, inUse: never })).toEqual([old]);
    expect(toMakeRoom([young, old], { needed: 90, most: 200, inUse: never })).toEqual([old, young]);
  });

  it("never drops what is in use, nor what is just being pushed", () => {
    expect(toMakeRoom([old, young], { needed: 75, most: 200, inUse: (i) => i === old })).toEqual([young]);
    const pushing = { ...old, state: "pushing" as const };
    expect(toMakeRoom([pushing], { needed: 200, most: 200, inUse: never })).toBeUndefined();
  });

  it("says when it cannot be", () => {
    expect(toMakeRoom([], { needed: 201, most: 200, inUse: never })).toBeUndefined();
    expect(toMakeRoom([old], { needed: 100, most: 200, inUse: () => true })).toBeUndefined();
  });
});
