/** What a digest is over of one runner. `inactivityMs`: of one that was handed out with a timeout. */
export type DigestedRunner = { id: string; state: string; inactivityMs?: number | undefined };

const PRIME = 0x100000001b3n;
const OFFSET = 0xcbf29ce484222325n;
const MASK = 0xffffffffffffffffn;

/** FNV-1a over runners in any order: equal on both sides when they know the same. It finds differences, it proves nothing. Pure. */
export function runnerDigest(runners: Iterable<DigestedRunner>): string {
  const lines = [...runners].map(({ id, state, inactivityMs = 0 }) => `${id} ${state} ${inactivityMs}\n`);
  let hash = OFFSET;
  for (const character of lines.sort().join("")) {
    hash = ((hash ^ BigInt(character.charCodeAt(0))) * PRIME) & MASK;
  }
  return hash.toString(16).padStart(16, "0");
}
