import { MemoryTable } from "#test/support/memory-store.ts";
import { lanesConformance } from "./lanes.ts";
import { ledgerConformance } from "./ledger.ts";

const NAME = "the table in memory that generated histories use";
const makeTable = async () => {
  const table = new MemoryTable();
  return { open: async () => table.open(), close: async () => {} };
};

ledgerConformance(NAME, makeTable);
lanesConformance(NAME, makeTable);
