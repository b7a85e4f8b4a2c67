import { beforeEach, describe, expect, test } from "vitest";
import { MemoryTable } from "#test/support/memory-store.ts";
import type { Draft } from "./draft.ts";
import { FIRST_LANE_OPTIONS, type LaneOptions } from "./lane-options.ts";
import { Ledger } from "./ledger.ts";

const EDGE = "em1";
const HOUR = 3600_000;
const LANES: LaneOptions[] = [
  FIRST_LANE_OPTIONS,
  { name: "jobs", width: 2, order: "round-robin", bounds: { queuePerEdge: 9, queuePerUser: 9 } },
  { name: "rest", width: 2, order: "round-robin", bounds: { queuePerEdge: 9, queuePerUser: 9 } },
];

let now: number;
let ledger: Ledger;
let epoch: number;
beforeEach(async () => {
  now = Date.UTC(2026, 4, 22);
  ledger = new Ledger(new MemoryTable().open(), { now: () => now, lanes: LANES });
  epoch = await ledger.startAgent(EDGE, "j", { version: "9", operations: ["nodes.status", "volume.uplink"] });
  await ledger.heartbeat(EDGE, { epoch, nodes: [], usage: {}, free: 1 });
});
const draft = (more: Partial<Draft> = {}): Draft => ({
  user: "ann",
  edge: EDGE,
  operation: "nodes.status",
  input: {},
  ...more,
});
const queue = async (more?: Partial<Draft>) => (await ledger.submit(draft(more), "queue")).command.id;
let turn = 1;
const claim = async (room: Record<string, number> = { em: 1, jobs: 2, rest: 2 }) => {
  const { commands } = await ledger.claimMany(EDGE, { epoch, turn: turn++, room, have: [] });
  for (const { user, id } of commands) {
    await ledger.report(EDGE, epoch, user, id, { state: "succeeded", result: { nodes: [] } });
  }
  return commands.map(({ id }) => id);
};

describe("a held command", () => {
  test("is not handed out, counts as waiting, and comes after those that came before its release", async () => {
    const [first, second] = [await queue(), await queue()];
    expect(await ledger.hold("ann", first)).toMatchObject({ state: "queued", heldAt: now });
    expect(await ledger.hold("ann", first)).toMatchObject({ heldAt: now });
    expect(await ledger.ahead({ edge: EDGE, lane: "em", id: first })).toBeUndefined();
    expect(await claim()).toEqual([second]);
    expect(await claim()).toEqual([]);
    const third = await queue();
    now += 1;
    expect(await ledger.release("ann", first)).not.toHaveProperty("heldAt");
    expect(await claim()).toEqual([third]);
    expect(await claim()).toEqual([first]);
  });

  test("keeps nobody from a place", async () => {
    await ledger.hold("ann", await queue());
    expect((await ledger.submit(draft(), "place")).command.state).toBe("queued");
  });

  test("holds up what is behind it in its group, which keeps its order", async () => {
    const ids = [];
    for (let n = 0; n < 3; n++) ids.push(await queue({ lane: "jobs", group: "g" }));
    const other = await queue({ lane: "jobs", group: "h" });
    await ledger.hold("ann", ids[0]!);
    expect(await claim()).toEqual([other]);
    expect(await claim()).toEqual([]);
    now += HOUR;
    await ledger.release("ann", ids[0]!);
    expect(await claim()).toEqual(ids.slice(0, 2));
  });

  test("expires as any, and can be cancelled", async () => {
    const [expires, cancelled] = [await queue({ expiresAt: now + 10 }), await queue()];
    for (const id of [expires, cancelled]) await ledger.hold("ann", id);
    now += 10;
    expect(await ledger.expireAbandoned(EDGE)).toMatchObject([{ id: expires, state: "expired" }]);
    expect(await ledger.cancel("ann", cancelled)).toMatchObject({ state: "cancelled" });
    expect(await ledger.release("ann", cancelled)).toMatchObject({ state: "cancelled" });
  });

  test("whose files are still coming in is held once they are there", async () => {
    const command = await ledger.reserve(draft({ operation: "volume.uplink" }), false);
    await ledger.hold("ann", command.id);
    await ledger.queue(command, { prefix: "p/", input: { volume: "v", count: 1, bytes: 1 } });
    expect(await claim()).toEqual([]);
    await ledger.release("ann", command.id);
    expect(await claim()).toEqual([command.id]);
  });

  test("has to wait, and to be one's own", async () => {
    const { command } = await ledger.submit(draft(), "place");
    await expect(ledger.hold("ann", command.id)).rejects.toMatchObject({ code: "NOT_HOLDABLE" });
    expect(await claim()).toEqual([command.id]);
    await expect(ledger.hold("ann", command.id)).rejects.toMatchObject({ code: "NOT_HOLDABLE" });
    const mine = await queue();
    await expect(ledger.hold("bob", mine)).rejects.toMatchObject({ code: "COMMAND_NOT_FOUND" });
    await expect(ledger.release("bob", mine)).rejects.toMatchObject({ code: "COMMAND_NOT_FOUND" });
  });
});

describe("what the operator holds", () => {
  test("an edge: it takes commands and gives none, also to an agent that starts, and in a lane that comes later", async () => {
    const em = await queue();
    await ledger.holdEdge({ edge: EDGE, hold: true });
    const job = await queue({ lane: "jobs" });
    expect(await claim()).toEqual([]);
    epoch = await ledger.startAgent(EDGE, "j", { version: "9", operations: ["nodes.status"] });
    const rest = await queue({ lane: "rest" });
    expect(await claim()).toEqual([]);
    expect(await ledger.claim(EDGE, epoch)).toBeUndefined();
    expect(await ledger.waits({ edge: EDGE, lane: "jobs", id: job })).toEqual({ ahead: 0, held: "edge" });
    await ledger.holdEdge({ edge: EDGE, hold: false });
    expect(await claim()).toEqual([em, job, rest]);
  });

  test("a lane, while others go on, and beside its edge", async () => {
    const [em, job] = [await queue(), await queue({ lane: "jobs" })];
    await ledger.holdEdge({ edge: EDGE, lane: "jobs", hold: true });
    expect(await claim()).toEqual([em]);
    await ledger.holdEdge({ edge: EDGE, hold: true });
    await ledger.holdEdge({ edge: EDGE, hold: false });
    expect(await ledger.waits({ edge: EDGE, lane: "jobs", id: job })).toEqual({ ahead: 0, held: "lane" });
    expect(await claim()).toEqual([]);
    await ledger.holdEdge({ edge: EDGE, lane: "jobs", hold: false });
    expect(await claim()).toEqual([job]);
    await expect(ledger.holdEdge({ edge: EDGE, lane: "none", hold: true })).rejects.toThrow(RangeError);
  });

  test("refuses who wants a place at once, and lets go on what has one", async () => {
    const { command } = await ledger.submit(draft(), "place");
    await ledger.holdEdge({ edge: EDGE, hold: true });
    expect(await claim()).toEqual([command.id]);
    await expect(ledger.submit(draft(), "place")).rejects.toMatchObject({ code: "LOCKED" });
  });

  test("expires as any", async () => {
    const id = await queue({ expiresAt: now + 10 });
    await ledger.holdEdge({ edge: EDGE, hold: true });
    now += 10;
    expect(await ledger.expireAbandoned(EDGE)).toMatchObject([{ id, state: "expired" }]);
  });
});
