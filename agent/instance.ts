import { createHash } from "node:crypto";

/**
 * The instance label's value of the agent with this journal: it tells its containers, networks and images
 * from those of any other agent on the same engine.
 */
export function instanceOf(journalId: string): string {
  return createHash("sha256").update(journalId).digest("hex").slice(0, 12);
}
