/** A route as Hono lists it. */
type Listed = { method: string; path: string };

/** The methods that some route of `routes` answers at `path`, sorted; none: there is no such path. */
export function allowedMethods(routes: readonly Listed[], path: string): string[] {
  const parts = path.split("/");
  const methods = routes
    .filter((route) => route.method !== "ALL" && matches(route.path.split("/"), parts))
    .map((route) => route.method);
  return [...new Set(methods)].sort();
}

/** Does some route answer this method at `path`? */
export function hasRoute(
  routes: readonly Listed[],
  { method, path }: { method: string; path: string },
): boolean {
  if (method === "ALL") return false;
  const parts = path.split("/");
  return routes.some((route) => route.method === method && matches(route.path.split("/"), parts));
}

function matches(pattern: string[], parts: string[]): boolean {
  if (pattern.at(-1) === "*") {
    const before = pattern.slice(0, -1);
    return parts.length >= pattern.length && matches(before, parts.slice(0, before.length));
  }
  if (pattern.length !== parts.length) return false;
  return pattern.every((piece, i) => {
    const [, rule] = /^:\w+(?:\{(.+)\})?$/.exec(piece) ?? [];
    if (rule !== undefined) return new RegExp(`^(?:${rule})$`).test(parts[i]!);
    return piece.startsWith(":") ? parts[i] !== "" : piece === parts[i];
  });
}
