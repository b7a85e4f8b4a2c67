import { PerigeeError } from "#protocol/errors.ts";

const NAME = /^[A-Za-z0-9](?:[A-Za-z0-9_. -]{0,126}[A-Za-z0-9_-])?$/;
/** Most characters of a name. */
export const NAME_LENGTH = 128;

const RULE =
  "begins with a letter or digit, has at most 128 of the letters, digits, '_', '.', '-' and blank, and does not end in a blank or dot";

export function isName(name: string): boolean {
  return NAME.test(name);
}

/** @throws INVALID_PARAMETERS naming the rule for names of images, instances and volumes */
export function checkName(kind: "image" | "instance" | "volume", name: string): void {
  if (!isName(name)) {
    throw new PerigeeError(
      "INVALID_PARAMETERS",
      `${kind} name ${JSON.stringify(name.slice(0, 200))}: a name ${RULE}`,
    );
  }
  if (kind === "image" && name === "create") {
    throw new PerigeeError("INVALID_PARAMETERS", "an image may not be called create");
  }
}

/** Name of an instance that is given none. */
export function nameFor(image: string, id: string): string {
  const end = `-${id.slice(-6).toLowerCase()}`;
  return image.slice(0, NAME_LENGTH - end.length) + end;
}
