import { invalid } from "./form-values.ts";

/** An image reference, taken apart. `tag` is `latest` when neither tag nor digest is given. */
export type ImageReference = { domain?: string; path: string; tag?: string; digest?: string };

// The grammar of github.com/distribution/reference.
const COMPONENT = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const DOMAIN_PART = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const DOMAIN = `(?:${DOMAIN_PART}(?:\\.${DOMAIN_PART})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const REFERENCE = new RegExp(
  `^(?:(${DOMAIN})/)?(${COMPONENT}(?:/${COMPONENT})*)(?::([\\w][\\w.-]{0,127}))?(?:@([A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?$`,
);
const NAME_LENGTH = 255;
/** Leaves room for the prefix `<user>-` within the 255 of a name. */
const OWN_NAME_LENGTH = NAME_LENGTH - 33;

/** Reads a distribution reference; undefined when `text` is none. */
export function parseReference(text: string): ImageReference | undefined {
  // long enough for any reference; keeps the expression from long inputs
  if (text.length > 2 * NAME_LENGTH + 256) return undefined;
  const match = REFERENCE.exec(text);
  if (!match) return undefined;
  let [, domain, path = "", tag, digest] = match;
  // As Docker reads it: without a dot, a colon, a capital or "localhost" the first part is no registry.
  if (domain !== undefined && !/[.:A-Z[]/.test(domain) && domain !== "localhost") {
    if (!new RegExp(`^${COMPONENT}$`).test(domain)) return undefined;
    path = `${domain}/${path}`;
    domain = undefined;
  }
  if (path.length + (domain ? domain.length + 1 : 0) > NAME_LENGTH) return undefined;
  if (tag === undefined && digest === undefined) tag = "latest";
  return {
    ...(domain !== undefined && { domain }),
    path,
    ...(tag !== undefined && { tag }),
    ...(digest !== undefined && { digest }),
  };
}

/** The image of pod/run: any distribution reference, as written. @throws INVALID_PARAMETERS */
export function runnableImage(field: string, text: string): string {
  if (!parseReference(text))
    throw invalid(field, "is not an image reference such as name, name:tag or host/name");
  return text;
}

/**
 * The name of an own image (build, load, delete): a reference without registry host and digest, returned
 * with its tag. @throws INVALID_PARAMETERS
 */
export function ownImage(field: string, text: string): string {
  const { domain, path, tag, digest } = parseReference(text) ?? {};
  if (path === undefined || domain !== undefined || digest !== undefined || path.length > OWN_NAME_LENGTH) {
    throw invalid(
      field,
      "must be an image name such as name or name:tag: lower-case letters and digits, separated by '.', '_', '-' or '/', without registry host and digest",
    );
  }
  return `${path}:${tag}`;
}
