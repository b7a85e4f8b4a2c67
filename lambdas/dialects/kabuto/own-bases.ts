import { parseTagged } from "#protocol/image-reference.ts";
import type { InputOf } from "#protocol/operations.ts";
import type { OwnRecords } from "../own-records.ts";
import { listObjects } from "./objects.ts";
import type { ImageRecord } from "./records.ts";

/**
 * What the user's images are called in a Dockerfile that is built on `edge`, as they are now: of several with one name
 * the newest that is there, else the edge that has one.
 */
export async function ownBases(
  records: OwnRecords,
  uid: string,
  edge: string,
): Promise<NonNullable<InputOf<"image.build">["bases"]>> {
  return basesOf(await listObjects(records, uid, "image"), edge);
}

/** @param images ascending by id */
export function basesOf(
  images: readonly Pick<ImageRecord, "name" | "edge" | "ref">[],
  edge: string,
): NonNullable<InputOf<"image.build">["bases"]> {
  const bases = new Map<string, { image: string } | { edge: string }>();
  for (const image of images) {
    const reference = parseTagged(image.name);
    // any other name is none that a Dockerfile could use
    if (!reference || reference.host !== undefined) continue;
    const key = `${reference.name}:${reference.tag}`;
    const known = bases.get(key);
    if (image.edge === edge) bases.set(key, { image: image.ref });
    else if (!known || "edge" in known) bases.set(key, { edge: image.edge });
  }
  return Object.fromEntries(bases);
}
