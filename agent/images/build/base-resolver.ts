import { parseTagged } from "#protocol/image-reference.ts";
import { inSpace } from "#protocol/names.ts";
import type { InputOf } from "#protocol/operations.ts";
import { DockerfileError, shown } from "../dockerfile/error.ts";
import type { ImageStore, ResolvedImage } from "../image-store.ts";

type Input = Pick<InputOf<"image.build">, "space" | "bases">;

/**
 * What a name in a Dockerfile means: one of `bases` where the input has them, then the user's image, then a public one.
 * A name of `bases` whose image is gone means nothing else.
 */
export function baseResolver(
  store: Pick<ImageStore, "resolve" | "registries">,
  user: string,
  { space, bases }: Input,
): (reference: string) => Promise<ResolvedImage | undefined> {
  if (!bases) return (reference) => store.resolve(inSpace(user, space), reference);
  return async (reference) => {
    const { host, name, tag } = parseTagged(reference) ?? {};
    const isNamed = name !== undefined && (host === undefined || store.registries.includes(host));
    const key = `${name}:${tag}`;
    const base = isNamed && Object.hasOwn(bases, key) ? bases[key] : undefined;
    if (base && "image" in base) return store.resolve(inSpace(user, space), base.image);
    const found = await store.resolve(user, reference);
    if (!found && base) {
      throw new DockerfileError(
        `image ${shown(reference)} is on edge ${base.edge}, not on this one: build it here too`,
      );
    }
    return found;
  };
}
