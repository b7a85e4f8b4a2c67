import { ensureProgram } from "./debian-packages.ts";

/**
 * Full path of a Chromium: the one that PERIGEE_CHROMIUM names, else Debian's, which root gets installed where it is missing.
 * @throws Error when there is none and none can be installed
 */
export async function ensureChromium(say: (line: string) => void): Promise<string> {
  return process.env.PERIGEE_CHROMIUM || ensureProgram("chromium", "chromium", say);
}
