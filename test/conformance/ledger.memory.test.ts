import { MemoryTable } from "#test/support/memory-store.ts";
import { ledgerConformance } from "./ledger.ts";

ledgerConformance("the table in memory that generated histories use", async () => {
  const table = new MemoryTable();
  return { open: async () => table.open(), close: async () => {} };
});
