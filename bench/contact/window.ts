import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SqliteStore } from "#lambdas/adapters/sqlite/store.ts";
import { StoredWindows } from "#lambdas/windows/stored-windows.ts";
import { type Deployment, deploy } from "#test/faults/support/deployment.ts";
import { type Link, openLink } from "../../scripts/link/link.ts";
import { quicker, readProfiles } from "../../scripts/link/profile.ts";
import type { Row } from "../table.ts";

/** A window of 10 min at 256 kbit/s, in a fifth of the time. */
const QUICKER = 5;
const WINDOW_MS = (600_000 * Number(process.env.BENCH_SCALE ?? 1)) / QUICKER;
/** Before the window some of it crosses, and the agent learns of the plan. */
const TOLD_MS = 35_000;
const BEGUN_MS = 8_000;
const SILENT_MS = 20_000;
const LATER = { headers: { prefer: "respond-async" } };

/** What of a window that begins and ends in the middle of a transfer was of use, each way, against its rate. */
export async function measureWindow(): Promise<Row[]> {
  return [...(await measure("uplink")), ...(await measure("downlink"))];
}

async function measure(what: "uplink" | "downlink"): Promise<Row[]> {
  const profile = quicker(readProfiles().pass!, QUICKER);
  const perMs = profile.up.bitsPerSecond! / 8000;
  const size = Math.round(perMs * (WINDOW_MS + 3 * BEGUN_MS));
  const way = what === "uplink" ? "up" : "down";
  const link = await openLink(profile);
  let deployment: Deployment | undefined;
  try {
    deployment = await deploy(1, { link });
    const [lane] = deployment.lanes;
    const { client } = lane!;
    const content = randomBytes(size);
    const start = Date.now() + TOLD_MS + BEGUN_MS + SILENT_MS;
    await plan(deployment, start);
    await sleep(TOLD_MS);
    const crossed = counter(link, way);
    mkdirSync(lane!.volume("bench"), { recursive: true });
    writeFileSync(join(lane!.volume("bench"), "down"), content);
    const query = { pod_name: "bench", filepath: "down" };
    const accepted =
      what === "uplink"
        ? await client.uplink({ up: content }, { pod_name: "bench" }, LATER)
        : await client.get("/em/files/downlink", query, LATER);
    while (crossed() < size / 100) await sleep(20);
    await sleep(Math.max(0, start - SILENT_MS - Date.now()));
    link.cut();
    const before = crossed();
    await sleep(start - Date.now());
    link.restore();
    await sleep(WINDOW_MS);
    link.cut();
    const inside = crossed();
    await sleep(SILENT_MS);
    link.restore();
    for (;;) {
      const { data } = (await client.get(accepted.header("location")!, { wait: 20 })).json;
      if (data.state === "succeeded") break;
      if (!["queued", "running"].includes(data.state)) throw new Error(`${what} ended as ${data.state}`);
    }
    // What crossed again after the window was of no use in it.
    const useful = size - before - (crossed() - inside);
    const best = perMs * WINDOW_MS;
    const kb = (bytes: number) => `${Math.round(bytes / 1000)} kB`;
    return [
      {
        what: `useful bytes of a window in the middle of ${what === "uplink" ? "an uplink" : "a downlink"}, 256 kbit/s, 1 s, 2 % loss`,
        ours: kb(useful),
        peer: `rate: ${kb(best)}`,
        ratio: useful / best,
        goal: { atLeast: 0.85 },
      },
    ];
  } finally {
    await deployment?.close();
    await link.close();
  }
}

async function plan({ data, lanes }: Deployment, start: number): Promise<void> {
  const store = new SqliteStore(join(data, "ledger.sqlite"));
  try {
    const windows = new StoredWindows({ store, now: Date.now });
    await windows.change(lanes[0]!.edge, () => [{ start, end: start + WINDOW_MS, station: "S" }]);
  } finally {
    await store.close();
  }
}

function counter(link: Link, way: "up" | "down"): () => number {
  const { payload } = link.stats()[way];
  return () => link.stats()[way].payload - payload;
}
