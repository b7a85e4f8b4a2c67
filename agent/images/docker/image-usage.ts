import type { RecordedImage } from "../image-record.ts";
import type { OwnImage } from "../image-store.ts";

export type SizedImage = { id: string; size: number; layers: readonly string[] };

/**
 * Bytes that `own` images take beyond `shared` ones: a layer under several of them counts once, and not at
 * all when a shared image has it. An image's layers lie on one another, so what two have in common is a
 * beginning.
 */
export function usageOf(own: readonly SizedImage[], shared: readonly SizedImage[]): number {
  const known = new Map<string, number>();
  for (const image of shared) known.set(key(image.layers), image.size);
  let total = 0;
  const shortestFirst = [...own].sort((a, b) => a.layers.length - b.layers.length);
  for (const { layers, size } of shortestFirst) {
    if (known.has(key(layers))) continue;
    let below = 0;
    for (let depth = layers.length - 1; depth > 0 && below === 0; depth--) {
      below = known.get(key(layers.slice(0, depth))) ?? 0;
    }
    total += Math.max(0, size - below);
    known.set(key(layers), size);
  }
  return total;
}

function key(layers: readonly string[]): string {
  return layers.join(" ");
}

/** Rows of a user's record as users see them, without those that the engine has not. */
export function ownImages(rows: readonly RecordedImage[], sized: readonly SizedImage[]): OwnImage[] {
  const sizes = new Map(sized.map(({ id, size }) => [id, size]));
  return rows.flatMap(({ name, tag, id, created }) => {
    const size = sizes.get(id);
    return size === undefined ? [] : [{ name, tag, id, size, created }];
  });
}
