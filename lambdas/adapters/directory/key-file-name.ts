/**
 * A part of a key as a file name that is safe on any file system: letters, digits, `_`, `-` and inner dots stay,
 * every other byte becomes %XX. It is reversible, and never `.`, `..`, hidden, or a name with a slash.
 */
export function encodePart(part: string): string {
  let name = "";
  for (const byte of Buffer.from(part)) {
    const char = String.fromCharCode(byte);
    const plain = /[A-Za-z0-9_-]/.test(char) || (char === "." && name !== "");
    name += plain ? char : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return name;
}

/** The key part of a file name; undefined when {@link encodePart} cannot have made the name. */
export function decodePart(name: string): string | undefined {
  if (name === "") return undefined;
  try {
    const part = decodeURIComponent(name);
    return encodePart(part) === name ? part : undefined;
  } catch {
    return undefined;
  }
}

/** Names of objects end in a character that no encoded part contains, so that `a` and `a/b` can both be keys. */
const OBJECT = "~";

export function objectName(part: string): string {
  return encodePart(part) + OBJECT;
}

/** What a file name in the tree of objects means: an object or a level of keys, and the key part. */
export function readName(name: string): { object: boolean; part: string } | undefined {
  const object = name.endsWith(OBJECT);
  const part = decodePart(object ? name.slice(0, -1) : name);
  return part === undefined ? undefined : { object, part };
}
