import { familiarName, type ImageName, isHub, parseTagged } from "#protocol/image-reference.ts";

/**
 * Tag in the engine of a user's image: neither users nor spaces have a `-` in their names, so it is read one way only.
 * @param owner the user, with the space if the image is in one
 */
export function engineTag(owner: string, image: ImageName): string {
  return `${owner}-${image.name}:${image.tag}`;
}

/** What a reference may mean, in the order in which it is looked for. */
export type Candidate = { own: ImageName } | { public: string };

/**
 * The meanings of `text` for `owner`, a user with the space if any: the owner's, else public onboard, with or without
 * the onboard registry's name (one of `registries`) before it. `docker.io/…` is public only, and `library/x` is `x`.
 * Public names are given as the engine spells RepoTags.
 */
export function candidates(owner: string, text: string, registries: readonly string[]): Candidate[] {
  const reference = parseTagged(text);
  if (!reference) return [];
  const { host, name, tag } = reference;
  const familiar = familiarName(name);
  const onboard = host !== undefined && registries.includes(host);
  const published = [...new Set([`${familiar}:${tag}`, ...registries.map((r) => `${r}/${name}:${tag}`)])].map(
    (spelled) => ({ public: spelled }),
  );
  const plain: Candidate = { own: { name, tag } };
  const prefixed: Candidate[] = name.startsWith(`${owner}-`)
    ? [{ own: { name: name.slice(owner.length + 1), tag } }]
    : [];
  if (host === undefined) return [plain, ...published, ...prefixed];
  if (isHub(host)) return [{ public: `${familiar}:${tag}` }];
  // the onboard registry speaks of images as the engine does: with the user's prefix
  if (onboard) return [...prefixed, plain, ...published];
  return [{ public: `${host}/${name}:${tag}` }];
}

/** A public image's name as the engine spells it in RepoTags; undefined when `text` is no reference. */
export function publicName(text: string): string | undefined {
  const reference = parseTagged(text);
  if (!reference) return undefined;
  const { host, name, tag } = reference;
  if (host !== undefined && !isHub(host)) return `${host}/${name}:${tag}`;
  return `${familiarName(name)}:${tag}`;
}
