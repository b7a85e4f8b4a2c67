/**
 * Is it standard base64 with its padding? CR and LF between are ignored. Whole files are checked before the first one
 * is written, and decoded one by one.
 */
export function isBase64(text: string): boolean {
  const plain = withoutLineEnds(text);
  if (plain.length % 4 !== 0) return false;
  const padding = plain.endsWith("==") ? 2 : plain.endsWith("=") ? 1 : 0;
  return !/[^A-Za-z0-9+/]/.test(padding === 0 ? plain : plain.slice(0, -padding));
}

/** The bytes of what {@link isBase64} accepts. */
export function decodeBase64(text: string): Buffer {
  return Buffer.from(withoutLineEnds(text), "base64");
}

function withoutLineEnds(text: string): string {
  return /[\r\n]/.test(text) ? text.replace(/[\r\n]/g, "") : text;
}
