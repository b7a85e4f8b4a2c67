import { PerigeeError } from "#protocol/errors.ts";

/** Bounds of a key, in bytes of UTF-8; every adapter can hold what is within them. */
export const KEY_BYTES = 1024;
export const KEY_PART_BYTES = 84;

// biome-ignore format: one rule a line
function partRule(part: string): string | undefined {
  if (part === "") return "has an empty part";
  if (part === "." || part === "..") return "has a dot part";
  if (/[\u0000-\u001f\u007f]/.test(part)) return "holds a control character";
  if (!part.isWellFormed()) return "is not well-formed Unicode";
  if (Buffer.byteLength(part) > KEY_PART_BYTES) return `has a part over ${KEY_PART_BYTES} bytes`;
  return undefined;
}

/**
 * Checks a key and returns its parts: 1 to 1024 bytes of well-formed UTF-8, parts of at most 84 bytes
 * between single slashes, no `.` or `..`, no control characters.
 * @throws PerigeeError INVALID_PATH
 */
export function keyParts(key: string): string[] {
  if (Buffer.byteLength(key) > KEY_BYTES) throw invalid(`is over ${KEY_BYTES} bytes`);
  const parts = key.split("/");
  for (const part of parts) {
    const broken = partRule(part);
    if (broken) throw invalid(broken);
  }
  return parts;
}

/**
 * Checks a prefix, which is any beginning of a key: whole parts, then perhaps the beginning of one.
 * @throws PerigeeError INVALID_PATH
 */
export function prefixParts(prefix: string): { parts: string[]; rest: string } {
  const slash = prefix.lastIndexOf("/");
  const rest = prefix.slice(slash + 1);
  if (rest !== "" && rest !== ".") keyParts(rest);
  return { parts: slash === -1 ? [] : keyParts(prefix.slice(0, slash)), rest };
}

/** Root of what lives as long as its owner's record: no age rule deletes it, and it counts in its user's quota. */
export const KEPT = "kept";

/**
 * Prefix, ending in `/`, of a user's kept objects, or of those that one dialect keeps: `kept/<user>/<dialect>/`.
 * Their owner deletes them with its record; nobody else does.
 * @throws PerigeeError INVALID_PATH
 */
export function keptPrefix(user: string, dialect?: string): string {
  return `${joinKey(KEPT, user, ...(dialect === undefined ? [] : [dialect]))}/`;
}

/**
 * Joins parts to a key; a part may hold no slash.
 * @throws PerigeeError INVALID_PATH
 */
export function joinKey(...parts: string[]): string {
  for (const part of parts) {
    const broken = part.includes("/") ? "has a part with a slash" : partRule(part);
    if (broken) throw invalid(broken);
  }
  return keyParts(parts.join("/")).join("/");
}

/** Order of keys: bytewise, as every object store lists them (UTF-16 order differs beyond U+FFFF). */
export function compareKeys(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function invalid(why: string): PerigeeError {
  return new PerigeeError("INVALID_PATH", `The staging key ${why}`);
}
