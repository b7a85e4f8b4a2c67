import { describe } from "vitest";
import { testCommands } from "./ledger/commands.ts";
import { testHistories } from "./ledger/histories.ts";
import { LedgerRig, type LedgerTable } from "./ledger/ledger-rig.ts";
import { testUploadsInParts } from "./ledger/uploads-in-parts.ts";

/**
 * The rules of the ledger, over whatever store it is given: every adapter of LedgerStore goes through this
 * unchanged. `open` gives connections to one and the same empty table, as several servers would have;
 * `histories` are generated.
 */
export function ledgerConformance(
  name: string,
  makeTable: () => Promise<LedgerTable>,
  { histories = 40 } = {},
): void {
  describe(`ledger rules on ${name}`, () => {
    const rig = new LedgerRig(makeTable);
    testCommands(rig);
    testUploadsInParts(rig);
    testHistories(rig, histories);
  });
}
