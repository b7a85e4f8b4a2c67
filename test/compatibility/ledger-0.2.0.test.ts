import { readFileSync } from "node:fs";
import { beforeEach, describe, expect, test } from "vitest";
import { FIRST_LANE_OPTIONS } from "#lambdas/ledger/lane-options.ts";
import { Ledger } from "#lambdas/ledger/ledger.ts";
import type { Item } from "#lambdas/ports/ledger-store.ts";
import { OPERATION_NAMES } from "#protocol/operations.ts";
import { MemoryTable } from "#test/support/memory-store.ts";

type Saved = {
  now: number;
  ids: { done: string; holder: string; queued: string[]; upload: string; parts: string };
  items: Item[];
};
const saved = JSON.parse(readFileSync(new URL("ledger-0.2.0/items.json", import.meta.url), "utf8")) as Record<
  "claimed" | "unclaimed",
  Saved
>;

const JOBS = { ...FIRST_LANE_OPTIONS, name: "jobs", width: 4, fixedWidth: false };
const AGENT = { version: "9", operations: OPERATION_NAMES as string[] };
const SUCCEEDED = { state: "succeeded", result: {} } as const;

/** The users of the queued commands, in order. */
const QUEUED = ["bob", "ann", "bob"];

describe.each(["claimed", "unclaimed"] as const)("a ledger of 0.2.0 whose lock is %s", (name) => {
  const { ids } = saved[name];
  let now: number;
  let table: MemoryTable;
  let ledger: Ledger;
  beforeEach(() => {
    now = saved[name].now;
    table = new MemoryTable();
    table.load(saved[name].items);
    ledger = new Ledger(table.open(), { now: () => now, lanes: [FIRST_LANE_OPTIONS, JOBS] });
  });
  const draft = { user: "ann", edge: "em1", operation: "nodes.status", input: {} } as const;
  const report = (epoch: number, user: string, id: string) =>
    ledger.report("em1", epoch, user, id, SUCCEEDED);

  /** Everything that was there ends as it would have. */
  async function endAll(epoch: number): Promise<void> {
    const order = [ids.holder, ...ids.queued];
    const users = ["ann", ...QUEUED];
    for (const [i, id] of order.entries()) {
      expect((await ledger.claim("em1", epoch))?.id).toBe(id);
      await report(epoch, users[i]!, id);
    }
    expect(await ledger.claim("em1", epoch)).toBeUndefined();
    for (const [user, id] of [
      ["ann", ids.upload],
      ["bob", ids.parts],
    ] as const) {
      await ledger.queue(await ledger.command(user, id), { prefix: `p/${id}/`, input: {} });
      expect((await ledger.claim("em1", epoch))?.id).toBe(id);
      expect((await report(epoch, user, id)).state).toBe("succeeded");
    }
    const lane = await ledger.lane("em1");
    expect(lane).toMatchObject({ running: [], queue: [], reserved: [], ending: [] });
  }

  test("is shown as it stood, and nothing is written for that", async () => {
    const lane = await ledger.lane("em1");
    expect(lane.running).toMatchObject([{ id: ids.holder, user: "ann", operation: "volume.delete" }]);
    expect(lane.queue.map(({ id }) => id)).toEqual(ids.queued);
    expect(lane.reserved).toMatchObject([
      { id: ids.upload, bytes: 1000 },
      { id: ids.parts, bytes: 10 },
    ]);
    const { state, lane: of, admission } = await ledger.command("ann", ids.done);
    expect({ state, of, admission }).toEqual({ state: "succeeded", of: "em", admission: "place" });
    await expect(ledger.submit(draft, "place")).rejects.toMatchObject({ code: "LOCKED", id: ids.holder });
    expect(table.get({ pk: "edge#em1", sk: "lane#em" })).toBeUndefined();
  });

  test("goes on under the agent that served it", () => endAll(1));

  test("goes on under an agent that starts", async () => {
    const epoch = await ledger.startAgent("em1", "journal-1", AGENT);
    expect(epoch).toBe(2);
    await expect(ledger.claim("em1", 1)).rejects.toMatchObject({ code: "STALE_EPOCH" });
    const [command] = name === "claimed" ? (await ledger.claimMany("em1", { epoch, room: {} })).resumed : [];
    if (name === "claimed") expect(command).toMatchObject({ id: ids.holder, attempts: 2, epoch });
    await endAll(epoch);
  });

  test("goes on after another lane was used first", async () => {
    const job = (await ledger.submit({ ...draft, lane: "jobs" }, "queue")).command;
    expect((await ledger.lane("em1")).queue).toHaveLength(3);
    const { commands } = await ledger.claimMany("em1", { epoch: 1, room: { jobs: 4 } });
    expect(commands.map(({ id }) => id)).toEqual([job.id]);
    await endAll(1);
  });

  test("a command that was begun under another journal is interrupted, the others go on", async () => {
    const epoch = await ledger.startAgent("em1", "journal-2", AGENT);
    const { state, failure } = await ledger.command("ann", ids.holder);
    if (name === "claimed") expect([state, failure?.code]).toEqual(["failed", "INTERRUPTED"]);
    else expect(state).toBe("queued");
    expect((await ledger.claim("em1", epoch))?.id).toBe(name === "claimed" ? ids.queued[0] : ids.holder);
  });

  test("its Idempotency-Keys still stand", async () => {
    const idempotency = { key: "k", route: "volume.delete", digest: "d" };
    const again = await ledger.submit({ ...draft, idempotency }, "place");
    expect(again).toMatchObject({ replayed: true, command: { id: ids.holder } });
  });
});
