import { type ErrorCode, PerigeeError } from "#protocol/errors.ts";

export type Kind = "image" | "instance" | "volume";
type Named = { id: string; name: string };

/** Clients show ids cut to 15 or 20 characters. */
const SHOWN = 15;

const MISSING = {
  image: "IMAGE_NOT_FOUND",
  instance: "POD_NOT_FOUND",
  volume: "VOLUME_NOT_FOUND",
} as const satisfies Record<Kind, ErrorCode>;

/**
 * The object that a text means: by its id, its name, or the beginning of one of them that no other has. Who changes
 * something has to give 15 characters of it, so that a repeated deletion of `app` never deletes `app2`. Pure.
 * @throws IMAGE_NOT_FOUND, POD_NOT_FOUND, VOLUME_NOT_FOUND; AMBIGUOUS_NAME naming those that it may mean
 */
export function lookup<T extends Named>(kind: Kind, all: readonly T[], text: string, changes: boolean): T {
  const exact = all.find(({ id }) => id === text) ?? all.find(({ name }) => name === text);
  if (exact) return exact;
  const begun =
    text === "" || (changes && text.length < SHOWN)
      ? []
      : all.filter(({ id, name }) => id.startsWith(text) || name.startsWith(text));
  const [only, ...others] = begun;
  if (!only) throw notFound(kind, text);
  if (others.length === 0) return only;
  const names = begun.map(({ name }) => name).sort();
  throw new PerigeeError("AMBIGUOUS_NAME", `'${text}' is ambiguous: ${names.join(", ")}`);
}

export function notFound(kind: Kind, text: string): PerigeeError {
  return new PerigeeError(MISSING[kind], `${kind} ${text} not found`);
}
