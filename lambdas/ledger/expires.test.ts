import { beforeEach, describe, expect, test } from "vitest";
import { MemoryTable } from "#test/support/memory-store.ts";
import type { Draft } from "./draft.ts";
import { Ledger } from "./ledger.ts";

const MINUTE = 60_000;
const EDGE = "em1";

describe("a command that expires", () => {
  let now: number;
  let ledger: Ledger;
  let epoch: number;
  beforeEach(async () => {
    now = Date.UTC(2026, 4, 22);
    ledger = new Ledger(new MemoryTable().open(), { now: () => now });
    epoch = await ledger.startAgent(EDGE, "j", {
      version: "9",
      operations: ["nodes.status", "volume.uplink"],
    });
  });
  const draft = (minutes?: number): Draft => ({
    user: "ann",
    edge: EDGE,
    operation: "nodes.status",
    input: {},
    ...(minutes !== undefined && { expiresAt: now + minutes * MINUTE }),
  });
  const queue = async (minutes?: number) => (await ledger.submit(draft(minutes), "queue")).command;
  const state = async ({ id }: { id: string }) => (await ledger.command("ann", id)).state;
  const claim = async () =>
    (await ledger.claimMany(EDGE, { epoch, turn: 1, room: { em: 1 }, have: [] })).commands.map(
      ({ id }) => id,
    );

  test("is not handed out after its time, also to an agent of old, and what is behind it is", async () => {
    const [first, second, third] = [await queue(10), await queue(10), await queue()];
    now += 10 * MINUTE;
    expect(await claim()).toEqual([third.id]);
    expect([await state(first), await state(second)]).toEqual(["expired", "expired"]);
    await ledger.report(EDGE, epoch, "ann", third.id, { state: "succeeded", result: { nodes: [] } });
    const fourth = await queue(1);
    now += MINUTE;
    expect(await ledger.claim(EDGE, epoch)).toBeUndefined();
    expect(await state(fourth)).toBe("expired");
  });

  test("goes on when it was claimed in time, however long it takes", async () => {
    const command = await queue(10);
    now += 10 * MINUTE - 1;
    expect(await claim()).toEqual([command.id]);
    now += 60 * MINUTE;
    expect(await ledger.expireAbandoned(EDGE)).toEqual([]);
    expect(await state(command)).toBe("running");
  });

  test("ends without its edge, by the janitor", async () => {
    const command = await queue(10);
    now += 10 * MINUTE - 1;
    expect(await ledger.expireAbandoned(EDGE)).toEqual([]);
    now += 1;
    expect(await ledger.expireAbandoned(EDGE)).toMatchObject([{ id: command.id, state: "expired" }]);
  });

  test("its files come in as long as any, and then it is past its time", async () => {
    const uplink = { ...draft(10), operation: "volume.uplink" as const };
    const command = await ledger.reserve(uplink, false);
    now += 20 * MINUTE;
    expect(await ledger.expireAbandoned(EDGE)).toEqual([]);
    await ledger.queue(command, { prefix: "p/", input: { volume: "v", count: 1, bytes: 1 } });
    expect(await claim()).toEqual([]);
    expect(await state(command)).toBe("expired");
  });

  test("a place that is past its time is free again", async () => {
    await ledger.heartbeat(EDGE, { epoch, nodes: [], usage: {}, free: 1 });
    const { command } = await ledger.submit(draft(1), "place");
    now += MINUTE;
    expect(await claim()).toEqual([]);
    expect(await state(command)).toBe("expired");
    expect((await ledger.submit(draft(), "place")).command.state).toBe("queued");
  });
});
