import { join } from "node:path";
import { cacheFolder } from "../../scripts/cache-folder.ts";

/** What Node compiled. `npm ci` would take it away below `node_modules`. */
export const COMPILED = join(cacheFolder(), "tests/compiled");

/**
 * Tests start this tree's programs hundreds of times, and each worker loads most of its sources; with Node's compile
 * cache only the first of each strips the types and compiles, which is two thirds of a start. What is cached is found
 * by its path and checked by its content.
 */
export function useCompileCache(env: NodeJS.ProcessEnv = process.env): void {
  env.NODE_COMPILE_CACHE ??= COMPILED;
}
