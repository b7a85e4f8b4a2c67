/** One component: no `.` or `..`, no escape, nothing that ends a path. */
const SEGMENT = "[A-Za-z0-9_][A-Za-z0-9_.:@+-]*";
const PATH = new RegExp(`^(?:/${SEGMENT})+$`);
/** More than any name of ours, an image's with its registry and tag included, may make it. */
const MAX_LENGTH = 1024;

/** A path that was put together from values of which one is no name: the request is never sent. */
export class IllegalPath extends Error {
  override readonly name = "IllegalPath";
}

/**
 * The path of a request to the engine, a cluster or a registry, if all its components are plain names: then no
 * value in it can change which object is meant, which query is asked or who is asked.
 * @throws IllegalPath for `..`, an empty component, `%`, `?`, `#`, blanks and everything else outside the grammar
 */
export function checkedPath(path: string): string {
  if (path.length <= MAX_LENGTH && PATH.test(path)) return path;
  throw new IllegalPath(`not a path of plain names: ${JSON.stringify(path.slice(0, 200))}`);
}
