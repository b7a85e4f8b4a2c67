import { foldSlashes } from "../http/fold-slashes.ts";
import { matchesPath } from "../http/path-patterns.ts";
import type { Dialect } from "./dialect.ts";

/** The dialects of a ground, by their paths. */
export class DialectPaths {
  readonly #dialects: readonly Dialect[];

  constructor(dialects: readonly Dialect[]) {
    this.#dialects = dialects;
  }

  /** The dialect that answers at a path as it was asked for; undefined where Perigee's own API does. */
  at(path: string): Dialect | undefined {
    const folded = foldSlashes(path);
    return this.#dialects.find(({ paths }) => paths.some((pattern) => matchesPath(pattern, folded)));
  }

  /** The path that is routed, of the one that was asked for. */
  routed(path: string): string {
    return (this.at(path)?.routedPath ?? foldSlashes)(path);
  }
}
