import { posix } from "node:path";

/** A path of an image's configuration as container engines read it: absolute, without `.`, `..` and a last `/`. Pure. */
export function imagePath(path: string): string {
  return posix.join("/", path).replace(/(?<=.)\/$/, "");
}

/** Is `path` the directory, or beneath it? Both are clean and absolute. */
export function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`);
}
