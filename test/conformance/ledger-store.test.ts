import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ledgerStoreConformance } from "./ledger-store.ts";
import { openStore } from "./open-sqlite-store.ts";

ledgerStoreConformance("SQLite", async () => {
  const directory = await mkdtemp(join(tmpdir(), "perigee-store-"));
  const path = join(directory, "ledger.db");
  return {
    open: () => openStore(path),
    child: { module: new URL("./open-sqlite-store.ts", import.meta.url).href, args: [path] },
    dispose: () => rm(directory, { recursive: true }),
  };
});
