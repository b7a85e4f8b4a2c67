/**
 * `Content-Disposition: attachment` for a file name (RFC 6266). Names outside printable ASCII, and those
 * with a `%` that some clients would decode, get `filename*` (RFC 8187) beside an ASCII fallback.
 */
export function attachment(name: string): string {
  const fallback = name.replace(/[^\x20-\x7e]/gu, "_").replace(/["\\]/g, (character) => `\\${character}`);
  const plain = `attachment; filename="${fallback}"`;
  if (/^[\x20-\x7e]*$/.test(name) && !/%[0-9a-f]{2}/i.test(name)) return plain;
  return `${plain}; filename*=UTF-8''${extValue(name)}`;
}

/** Percent-encodes all but RFC 8187's attr-char. */
function extValue(name: string): string {
  return encodeURIComponent(name.toWellFormed()).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
