/** First segments that are routes: an edge with such a name is reached by the header alone. */
const FIRST = new Set([
  "available_compilers",
  "available_providers",
  "describe_compiler",
  "images",
  "instances",
  "volumes",
  "hub",
]);

export type AskedPath = { edge?: string; parts: string[] };

/**
 * The segments of a path as it was sent, each decoded once, with the edge in front of them when one is named. Pure.
 * @param base what stands before them: `/unik`, or nothing on a listener of its own
 * @returns undefined for what is no path here: an empty segment, a slash or NUL within one, bytes that are no text
 */
export function readPath(path: string, base: string): AskedPath | undefined {
  if (!path.startsWith(`${base}/`)) return undefined;
  const raw = path
    .slice(base.length + 1)
    .replace(/\/$/, "")
    .split("/");
  const parts: string[] = [];
  for (const one of raw) {
    const part = decoded(one);
    if (part === undefined || part === "" || /[/\0]/.test(part)) return undefined;
    parts.push(part);
  }
  const [first = "", ...rest] = parts;
  return FIRST.has(first) ? { parts } : { edge: first, parts: rest };
}

function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}
