/**
 * A query as it is signed: each name and value decoded once and encoded again, sorted by name, then by value; `name=`
 * where there is no value.
 */
export function canonicalQuery(query: string): string {
  return query
    .split("&")
    .filter((pair) => pair !== "")
    .map((pair) => {
      const equals = pair.indexOf("=");
      const [name, value] = equals === -1 ? [pair, ""] : [pair.slice(0, equals), pair.slice(equals + 1)];
      return [encodedAnew(name), encodedAnew(value)] as const;
    })
    .sort(([a, x], [b, y]) => compare(a, b) || compare(x, y))
    .map((pair) => pair.join("="))
    .join("&");
}

const compare = (one: string, other: string) => (one < other ? -1 : one > other ? 1 : 0);

/** Byte by byte, so that what is no UTF-8 stays what it is. A `%` without two hex digits is one itself. */
function encodedAnew(text: string): string {
  const decoded = Buffer.from(text)
    .toString("latin1")
    .replace(/%([0-9a-f]{2})/gi, (_all, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
  return decoded.replace(
    /[^A-Za-z0-9\-_.~]/g,
    (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
  );
}
