import { getPath } from "hono/utils/url";

/** Doubled slashes become one and a trailing one goes: `//em/files/list/` is `/em/files/list`. */
export function foldSlashes(path: string): string {
  const folded = path.replace(/\/{2,}/g, "/");
  return folded.length > 1 && folded.endsWith("/") ? folded.slice(0, -1) : folded;
}

/** For Hono's `getPath` option: the request's path, decoded as Hono does it, with its slashes folded. */
export function foldedPath(request: Request): string {
  return foldSlashes(getPath(request));
}
