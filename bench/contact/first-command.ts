import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SqliteStore } from "#lambdas/adapters/sqlite/store.ts";
import { StoredWindows } from "#lambdas/windows/stored-windows.ts";
import { deploy } from "#test/faults/support/deployment.ts";
import { openLink } from "../../scripts/link/link.ts";
import { quicker, readProfiles } from "../../scripts/link/profile.ts";
import type { Row } from "../table.ts";

/** Long enough for the agent to learn of the plan, and to have lost contact. */
const TOLD_MS = 35_000;
const SILENT_MS = 25_000;
const QUICKER = 2;

/** From the start of a planned window, which is that of contact, until a command that waited has run on the edge. */
export async function measureFirstCommand(): Promise<Row[]> {
  const profile = quicker(readProfiles().pass!, QUICKER);
  const roundTripMs = 2 * profile.up.delayMs;
  const link = await openLink(profile);
  const deployment = await deploy(1, { link });
  const store = new SqliteStore(join(deployment.data, "ledger.sqlite"));
  try {
    const [lane] = deployment.lanes;
    const volume = lane!.volume("v");
    mkdirSync(volume, { recursive: true });
    const file = join(volume, "f");
    writeFileSync(file, "f");
    const start = Date.now() + TOLD_MS + SILENT_MS;
    const windows = new StoredWindows({ store, now: Date.now });
    await windows.change(lane!.edge, () => [{ start, end: start + 600_000, station: "S" }]);
    await sleep(TOLD_MS);
    link.cut();
    const later = { headers: { prefer: "respond-async" } };
    await lane!.client.encoded("/em/files/delete", { pod_name: "v", filepath: "f" }, later);
    await sleep(start - Date.now());
    link.restore();
    while (existsSync(file)) await sleep(5);
    const ms = Date.now() - start;
    const what = `from the start of a window to the first command's effect, ${roundTripMs / 1000} s round trip`;
    const trips = ms / roundTripMs;
    return [{ what, ours: `${ms} ms`, peer: "a round trip", ratio: trips, goal: { atMost: 3 } }];
  } finally {
    await store.close();
    await deployment.close();
    await link.close();
  }
}
