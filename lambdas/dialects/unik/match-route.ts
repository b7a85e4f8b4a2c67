/**
 * A route: its method, its path with `:name` for any one segment, and what answers it; `no edge` where it is about none,
 * so that none need be chosen.
 */
export type Route<T> = readonly [method: string, path: string, handle: T, about?: "no edge"];

/** The first route of the list that a path is of; HEAD is answered as GET is. Pure. */
export function matchRoute<T>(
  routes: readonly Route<T>[],
  method: string,
  parts: readonly string[],
): { handle: T; named: Record<string, string>; about: "no edge" | undefined } | undefined {
  const wanted = method === "HEAD" ? "GET" : method;
  for (const [of, path, handle, about] of routes) {
    if (of !== wanted) continue;
    const named = namesIn(path.split("/").slice(1), parts);
    if (named) return { handle, named, about };
  }
  return undefined;
}

function namesIn(pattern: readonly string[], parts: readonly string[]): Record<string, string> | undefined {
  if (pattern.length !== parts.length) return undefined;
  const named: Record<string, string> = {};
  for (const [n, piece] of pattern.entries()) {
    const part = parts[n]!;
    if (piece.startsWith(":")) named[piece.slice(1)] = part;
    else if (piece !== part) return undefined;
  }
  return named;
}
