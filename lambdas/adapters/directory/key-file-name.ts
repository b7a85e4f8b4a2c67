/**
 * A key part as a file name that is safe on any file system: letters, digits, `_`, `-` and inner dots stay,
 * every other byte becomes %XX. Reversible, and never `.`, `..`, hidden, or with a slash.
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

/** The key part of a file name, or undefined when {@link encodePart} cannot have made it. */
export function decodePart(name: string): string | undefined {
  if (name === "") return undefined;
  try {
    const part = decodeURIComponent(name);
    return encodePart(part) === name ? part : undefined;
  } catch {
    return undefined;
  }
}

/** Objects end in a character that no encoded part has, so that `a` and `a/b` can both be keys. */
const OBJECT = "~";

export function objectName(part: string): string {
  return encodePart(part) + OBJECT;
}

/** What an entry of the objects' tree stands for: an object, or a level of keys, and the key part. */
export function readName(name: string): { object: boolean; part: string } | undefined {
  const object = name.endsWith(OBJECT);
  const part = decodePart(object ? name.slice(0, -1) : name);
  return part === undefined ? undefined : { object, part };
}
