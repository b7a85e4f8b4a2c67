import { homedir } from "node:os";
import { join } from "node:path";

/**
 * Where what was fetched, built or measured for tests outlives `npm ci`: PERIGEE_CACHE, else `perigee` in the user's
 * cache (XDG_CACHE_HOME, `~/.cache`).
 */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  return env.PERIGEE_CACHE || join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "perigee");
}
