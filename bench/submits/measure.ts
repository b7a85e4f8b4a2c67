import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DynamoStore } from "#lambdas/adapters/dynamodb/store.ts";
import { SqliteStore } from "#lambdas/adapters/sqlite/store.ts";
import type { Command } from "#lambdas/ledger/command.ts";
import { Ledger } from "#lambdas/ledger/ledger.ts";
import type { LedgerStore } from "#lambdas/ports/ledger-store.ts";
import { awsAt, makeTable } from "#test/cloud/support/aws.ts";
import { startLocalStack } from "../../scripts/localstack/start.ts";
import { median, type Row } from "../table.ts";
import { type BareWrites, bareDynamo, bareSqlite } from "./bare.ts";
import { recorded, type Sizes } from "./recorded.ts";

const LANES = [1, 4];
const EDGE = "em1";
const AGENT = { version: "bench", operations: ["volume.delete"] };

/** `blocks` are measured, or as many (at least {@link FEWEST}) as `withinMs` has room for. */
type Place = {
  name: string;
  store: LedgerStore;
  bare: BareWrites;
  blocks: number;
  perLane: number;
  withinMs: number;
};
const FEWEST = 3;

/**
 * Submits a second on one edge, each lane as fast as it goes, against bare conditional transactions that write as
 * many items of the same sizes to the same store: a chain of them for each lane.
 */
export async function measureSubmits(): Promise<Row[]> {
  const directory = mkdtempSync(join(tmpdir(), "perigee-bench-submits-"));
  const store = new SqliteStore(join(directory, "ledger.sqlite"));
  const bare = bareSqlite(directory);
  try {
    return await measureAt({
      name: "SQLite",
      store,
      bare: bare.write,
      blocks: 20,
      perLane: 20,
      withinMs: 60_000,
    });
  } finally {
    bare.close();
    await store.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The same on DynamoDB. */
export async function measureCloudSubmits(): Promise<Row[]> {
  const dir = mkdtempSync(join(tmpdir(), "perigee-bench-submits-"));
  const localStack = await startLocalStack({ dir });
  const aws = awsAt(localStack.endpoint);
  try {
    const table = await makeTable(aws.dynamo);
    const store = new DynamoStore({ client: aws.dynamo, table });
    const bare = bareDynamo(aws.dynamo, await makeTable(aws.dynamo));
    return await measureAt({
      name: "DynamoDB (LocalStack)",
      store,
      bare,
      blocks: 8,
      perLane: 5,
      withinMs: 60_000,
    });
  } finally {
    aws.close();
    await localStack.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function measureAt(place: Place): Promise<Row[]> {
  const rows: Row[] = [];
  for (const lanes of LANES) rows.push(await measureLanes(place, lanes));
  return rows;
}

async function measureLanes(place: Place, width: number): Promise<Row> {
  const sizes: Sizes[] = [];
  const names = Array.from({ length: width }, (_, n) => `lane-${n}`);
  const ledger = new Ledger(recorded(place.store, sizes), {
    lanes: names.map((name) => ({
      name,
      width: 1,
      order: "round-robin",
      bounds: { queuePerEdge: place.perLane, queuePerUser: place.perLane },
    })),
  });
  await ledger.startAgent(EDGE, "journal", AGENT);
  const ours: number[] = [];
  const peer: number[] = [];
  let written = 0;
  const end = performance.now() + place.withinMs;
  // In turns, so that whatever else the machine does falls on both; the first block warms both
  for (let block = 0; block <= place.blocks; block++) {
    sizes.length = 0;
    const commands: Command[] = [];
    const submitted = await perSecond(names, place.perLane, async (lane) => {
      commands.push(await submit(ledger, lane));
    });
    const replayed = [...sizes];
    await Promise.all(commands.map(({ user, id }) => ledger.cancel(user, id)));
    const chains = names.map((name) => `${width} ${name}`);
    const first = written;
    let next = 0;
    const bare = await perSecond(chains, place.perLane, (chain, n) =>
      place.bare(chain, first + n, replayed[next++]!),
    );
    written += place.perLane;
    if (block === 0) continue;
    ours.push(submitted);
    peer.push(bare);
    if (ours.length >= FEWEST && performance.now() > end) break;
  }
  const bytes = Math.round(median(sizes.map((items) => items.reduce((sum, size) => sum + size, 0))));
  return {
    what: `submits on ${place.name}, ${width} ${width === 1 ? "lane" : "lanes"}`,
    ours: `${median(ours).toFixed(0)}/s`,
    peer: `bare transactions of ${bytes} bytes: ${median(peer).toFixed(0)}/s`,
    ratio: median(ours) / median(peer),
  };
}

async function submit(ledger: Ledger, lane: string): Promise<Command> {
  const input = { volume: "results", path: "images/2026-11-27/frame.raw" };
  const draft = { user: "bench", edge: EDGE, lane, operation: "volume.delete", input } as const;
  return (await ledger.submit(draft, "queue")).command;
}

/** Does `one` `count` times in each chain, one after the other there; the chains beside one another. */
async function perSecond(
  chains: readonly string[],
  count: number,
  one: (chain: string, n: number) => Promise<void>,
): Promise<number> {
  const begin = performance.now();
  await Promise.all(
    chains.map(async (chain) => {
      for (let n = 0; n < count; n++) await one(chain, n);
    }),
  );
  return (chains.length * count * 1000) / (performance.now() - begin);
}
