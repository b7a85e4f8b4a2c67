/**
 * A user's text as a record holds it. In JSON a text may take six times its bytes, and an item has a bound: one that
 * would grow so is stored as Base64 of its UTF-8, which takes a third more whatever it holds.
 */
export type StoredText = string | { base64: string };

export function storedText(text: string): StoredText {
  const bytes = Buffer.from(text);
  const grown = Buffer.byteLength(JSON.stringify(text));
  return grown <= (bytes.length * 4) / 3 + 64 ? text : { base64: bytes.toString("base64") };
}

export function textOf(stored: StoredText): string {
  return typeof stored === "string" ? stored : Buffer.from(stored.base64, "base64").toString();
}
