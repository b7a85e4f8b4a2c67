/**
 * JSON that keeps integers exact: file hashes are signed 64-bit, more than a JavaScript number can represent.
 */

type Context = { source?: string };

/** Parses JSON; an integer beyond 2^53 becomes a bigint. @throws SyntaxError */
export function parseExact(text: string): unknown {
  // A reviver is slow on large listings, so it is used only when some number is long enough to need it.
  if (!/\d{16}/.test(text)) return JSON.parse(text);
  const revive = (_key: string, value: unknown, context?: Context) =>
    typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? "")
      ? BigInt(context?.source ?? 0)
      : value;
  return JSON.parse(text, revive as (key: string, value: unknown) => unknown);
}

const rawJSON = (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON;

/** Writes JSON; bigints become numbers. */
export function stringifyExact(value: unknown, indent?: number): string {
  return JSON.stringify(
    value,
    (_key, inner) => (typeof inner === "bigint" ? rawJSON(String(inner)) : inner),
    indent,
  );
}
