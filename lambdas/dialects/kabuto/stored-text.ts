/** A user's text in a record: base64 where JSON would need more bytes for it, so that a record always fits its item. */
export type StoredText = string | { base64: string };

export function storedText(text: string): StoredText {
  const bytes = Buffer.from(text);
  const asJson = Buffer.byteLength(JSON.stringify(text));
  return asJson <= (bytes.length * 4) / 3 + 32 ? text : { base64: bytes.toString("base64") };
}

export function textOf(stored: StoredText): string {
  return typeof stored === "string" ? stored : Buffer.from(stored.base64, "base64").toString();
}
