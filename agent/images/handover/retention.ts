import type { HandedImage } from "./handed-images.ts";

/** Bytes that images take in the registry: what several of them need is there once. */
export function bytesOf(images: readonly HandedImage[]): number {
  const sizes = new Map(images.flatMap(({ blobs }) => blobs.map(({ digest, size }) => [digest, size])));
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}

/** Bytes that a collection would give back: blobs of deleted images that no other needs. */
export function garbageOf(images: readonly HandedImage[]): number {
  return bytesOf(images) - bytesOf(images.filter(({ state }) => state !== "deleted"));
}

/**
 * Which held images must go so that `needed` further bytes fit under `most`: the longest unused first, never
 * one that `inUse`; undefined when it does not fit even then.
 */
export function toMakeRoom(
  images: readonly HandedImage[],
  { needed, most, inUse }: { needed: number; most: number; inUse(image: HandedImage): boolean },
): HandedImage[] | undefined {
  let left = images.filter(({ state }) => state !== "deleted");
  const going: HandedImage[] = [];
  const droppable = left
    .filter((image) => image.state === "held" && !inUse(image))
    .sort((a, b) => a.usedAt - b.usedAt);
  while (bytesOf(left) + needed > most) {
    const next = droppable.shift();
    if (!next) return undefined;
    going.push(next);
    left = left.filter((image) => image !== next);
  }
  return going;
}
