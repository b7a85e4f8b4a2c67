/** Character sets in which ASCII bytes are ASCII: of these, what is only ASCII can be read. */
const OVER_ASCII =
  /^(?:us-ascii|ascii|ansi_x3\.4-1968|iso[-_]?8859[-_]?\d+|latin-?\d+|windows-125\d|cp125\d)$/;
const UTF_8 = /^utf-?8$/;

const lossy = new TextDecoder("utf-8", { ignoreBOM: true });
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Bytes as a text, exactly: UTF-8, a byte order mark included. Bytes that are said to be of another set are
 * read when they are ASCII, so that the set makes no difference.
 * @throws SyntaxError whose message is the rule that is broken
 */
export function decodeText(bytes: Uint8Array, charset = "utf-8"): string {
  const set = charset.trim().toLowerCase();
  if (!UTF_8.test(set) && !(OVER_ASCII.test(set) && bytes.every((byte) => byte < 0x80))) {
    throw new SyntaxError(`must be UTF-8, not ${JSON.stringify(charset)}`);
  }
  try {
    return strict.decode(bytes);
  } catch {
    throw new SyntaxError("must be UTF-8");
  }
}

/** Bytes as a text, whatever they are said to be: what is not UTF-8 becomes U+FFFD. */
export function decodeAnyText(bytes: Uint8Array): string {
  return lossy.decode(bytes);
}

/**
 * Percent-encoded bytes as a text; `encoded` has one character for each byte. A `%` without two hex digits stands
 * for itself, as browsers read it.
 * @throws SyntaxError when the bytes are not a text of `charset`
 */
export function decodePercent(encoded: string, charset?: string): string {
  const bytes = encoded.replace(/%([0-9a-f]{2})/gi, (_all, hex) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return decodeText(Buffer.from(bytes, "latin1"), charset);
}
