import { parseTagged } from "#protocol/image-reference.ts";
import type { InputOf } from "#protocol/operations.ts";
import type { Image } from "./holdings.ts";

/** What a Dockerfile may call the user's images by; a name that is no reference cannot stand in one. Pure. */
export function basesOf(images: readonly Image[]): NonNullable<InputOf<"image.compile">["bases"]> {
  const named = images.flatMap(({ name, content: { ref } }) => {
    const reference = parseTagged(name);
    if (!reference || reference.host !== undefined) return [];
    return [[`${reference.name}:${reference.tag}`, { image: ref }] as const];
  });
  return Object.fromEntries(named);
}
