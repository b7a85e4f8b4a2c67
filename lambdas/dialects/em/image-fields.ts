import { OWN_NAME_LENGTH, parseOwnImage, parseReference } from "#protocol/image-reference.ts";
import { invalid } from "../../fields/form-values.ts";

/** The image of pod/run: any distribution reference, as written. @throws INVALID_PARAMETERS */
export function runnableImage(field: string, text: string): string {
  if (!parseReference(text)) {
    throw invalid(field, "is not an image reference such as name, name:tag or host/name");
  }
  return text;
}

/**
 * The name of an own image (build, load, delete): a reference without registry host and digest, returned
 * with its tag. @throws INVALID_PARAMETERS
 */
export function ownImage(field: string, text: string): string {
  const image = parseOwnImage(text);
  if (image) return `${image.name}:${image.tag}`;
  const bare = /^localhost\/(.+)$/.exec(text)?.[1];
  if (bare !== undefined && parseOwnImage(bare)) {
    throw invalid(field, `must be a name without registry host: write ${bare}`);
  }
  throw invalid(
    field,
    `must be an image name such as name or name:tag: lower-case letters and digits, separated by '.', '_', '-' or '/', at most ${OWN_NAME_LENGTH}, without registry host and digest`,
  );
}
