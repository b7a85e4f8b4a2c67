import { expect } from "vitest";
import type { Command } from "#lambdas/ledger/command.ts";

/** In the EM's lane, from claim to end nobody else: the ledger's own word, by its own clock. */
export function expectNoOverlap(commands: Command[]): void {
  const ran = commands.filter(({ claimedAt }) => claimedAt !== undefined);
  const inOrder = ran.toSorted((a, b) => a.claimedAt! - b.claimedAt! || a.endedAt! - b.endedAt!);
  for (const [i, command] of inOrder.entries()) {
    expect(command.endedAt).toBeGreaterThanOrEqual(command.claimedAt!);
    if (i > 0) expect(command.claimedAt).toBeGreaterThanOrEqual(inOrder[i - 1]!.endedAt!);
  }
}
