import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SqliteStore } from "#lambdas/adapters/sqlite/store.ts";
import { lanesConformance } from "./lanes.ts";
import { ledgerConformance } from "./ledger.ts";

const makeTable = async () => {
  const directory = await mkdtemp(join(tmpdir(), "perigee-ledger-"));
  const opened: SqliteStore[] = [];
  return {
    async open() {
      const store = new SqliteStore(join(directory, "ledger.sqlite"));
      opened.push(store);
      return store;
    },
    async close() {
      await Promise.all(opened.map((store) => store.close()));
      await rm(directory, { recursive: true });
    },
  };
};

ledgerConformance("SQLite", makeTable);
lanesConformance("SQLite", makeTable);
