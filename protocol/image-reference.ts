/** An image's name without registry host and digest, and its tag. */
export type ImageName = { name: string; tag: string };

/** A reference, taken apart. `tag` is `latest` when neither tag nor digest is given. */
export type ImageReference = { host?: string; name: string; tag?: string; digest?: string };

// The grammar of github.com/distribution/reference.
const COMPONENT = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const HOST_PART = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const HOST = `(?:${HOST_PART}(?:\\.${HOST_PART})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const REFERENCE = new RegExp(
  `^(?:(${HOST})/)?(${COMPONENT}(?:/${COMPONENT})*)(?::([\\w][\\w.-]{0,127}))?(?:@([A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?$`,
);
const ONE_COMPONENT = new RegExp(`^${COMPONENT}$`);

/** Characters of a name, host included. */
const NAME_LENGTH = 255;
/** Longer than any reference; keeps the expression from long inputs. */
export const REFERENCE_LENGTH = 2 * NAME_LENGTH + 256;
/**
 * Characters of an own image's name. An engine counts `docker.io/library/<user>-<name>` towards the 255; a user's name
 * has at most 32.
 */
export const OWN_NAME_LENGTH = 200;

/** Reads a distribution reference; undefined when `text` is none. */
export function parseReference(text: string): ImageReference | undefined {
  if (text.length > REFERENCE_LENGTH) return undefined;
  const match = REFERENCE.exec(text);
  if (!match) return undefined;
  let [, host, name = "", tag, digest] = match;
  // As engines read it: without a dot, a colon, a capital or "localhost" the first part is no registry.
  if (host !== undefined && !/[.:A-Z[]/.test(host) && host !== "localhost") {
    if (!ONE_COMPONENT.test(host)) return undefined;
    name = `${host}/${name}`;
    host = undefined;
  }
  if (name.length + (host ? host.length + 1 : 0) > NAME_LENGTH) return undefined;
  if (tag === undefined && digest === undefined) tag = "latest";
  return {
    ...(host !== undefined && { host }),
    name,
    ...(tag !== undefined && { tag }),
    ...(digest !== undefined && { digest }),
  };
}

/** A reference by tag. `host` is a registry's name when one stands before the first `/`. */
export type TaggedReference = ImageName & { host?: string };

/** Reads a reference without digest; undefined when `text` is none (a digest or an ID counts as none). */
export function parseTagged(text: string): TaggedReference | undefined {
  const { host, name, tag, digest } = parseReference(text) ?? {};
  if (name === undefined || tag === undefined || digest !== undefined || isImageId(text)) return undefined;
  return host === undefined ? { name, tag } : { host, name, tag };
}

/** Name and tag of a reference as users write it: registry host and digest dropped, tag `latest` when none is given. */
export function nameAndTag(reference: string): ImageName {
  const { host, name, tag = "latest" } = parseReference(reference) ?? { name: reference };
  return { name: host === undefined ? name : familiarName(name), tag };
}

/** A name as people write it: Docker's own registry has its official images in `library/`. */
export function familiarName(name: string): string {
  return name.startsWith("library/") ? name.slice("library/".length) : name;
}

const HUB = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/** Is `host` Docker's own registry, in one of the forms people write? */
export function isHub(host: string): boolean {
  return HUB.includes(host);
}

/**
 * Reads the name of an own image, as build, load and delete take it: a reference without registry host and digest, short
 * enough to be stored as `<user>-<name>`, or `<user>.<space>-<name>`; undefined when `text` is none.
 */
export function parseOwnImage(text: string, space?: string): ImageName | undefined {
  const { host, name, tag } = parseReference(text) ?? {};
  if (host !== undefined || name === undefined || tag === undefined || text.includes("@")) return undefined;
  const longest = OWN_NAME_LENGTH - (space === undefined ? 0 : space.length + 1);
  if (name.length > longest || isImageId(text)) return undefined;
  return { name, tag };
}

/** Would an engine take this text for the ID of an image, whatever its grammar says? */
export function isImageId(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}
