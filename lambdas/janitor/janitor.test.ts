import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { ulid } from "ulid";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createEmbeddedGround } from "#lambdas/embedded.ts";
import { QUICK_PASSWORDS } from "#test/support/quick-passwords.ts";
import { Changes } from "../dispatch/changes.ts";
import { keptPrefix } from "../ports/staging-key.ts";
import { Janitor } from "./janitor.ts";

/** What the agent of these tests says of itself: as one of version 0.1. */
const AGENT = { version: "0.1.0" };

describe("the janitor", () => {
  let data: string;
  let now: number;
  let ground: Awaited<ReturnType<typeof createEmbeddedGround>>;
  beforeEach(async () => {
    data = await mkdtemp(join(tmpdir(), "perigee-janitor-"));
    now = Date.UTC(2025, 10, 20);
    ground = await createEmbeddedGround({
      data,
      log: pino({ level: "silent" }),
      now: () => now,
      passwordCost: QUICK_PASSWORDS,
    });
    await ground.accounts.addEdge("em1");
  });
  afterEach(async () => {
    await ground.close();
    await rm(data, { recursive: true });
  });

  const draft = { user: "alice", edge: "em1", operation: "volume.uplink" as const, input: {} };
  const put = (key: string) => ground.staging.put(key, Buffer.from("x"), { maxBytes: 1 });
  const there = async (key: string) => (await ground.staging.head(key)) !== undefined;

  test("an upload that a dead server was taking ends at once, with what it had staged", async () => {
    const command = await ground.ledger.reserve(draft, false);
    const key = `uplink/alice/_/${command.id}/0`;
    await put(key);
    await ground.janitor.round();
    expect(await there(key)).toBe(true);
    await ground.janitor.round(0);
    expect(await there(key)).toBe(false);
    expect((await ground.ledger.command("alice", command.id)).state).toBe("expired");
  });

  test("an edge that cannot be cleaned keeps no other, and not the round", async () => {
    await ground.accounts.addEdge("em0");
    const command = await ground.ledger.reserve(draft, false);
    const expire = ground.ledger.expireAbandoned.bind(ground.ledger);
    vi.spyOn(ground.ledger, "expireAbandoned").mockImplementation(async (edge, age) => {
      if (edge === "em0") throw new Error("broken");
      return expire(edge, age);
    });
    await ground.janitor.round(0);
    expect((await ground.ledger.command("alice", command.id)).state).toBe("expired");
  });

  test("what is staged of a queued or running command stays, of an ended one it goes", async () => {
    const command = await ground.ledger.reserve(draft, false);
    const prefix = `uplink/alice/pod-a/${command.id}/`;
    await put(`${prefix}0`);
    await ground.ledger.queue(command, { prefix, input: {} });
    await ground.janitor.round(0);
    const epoch = await ground.ledger.startAgent("em1", "j", AGENT);
    await ground.ledger.claim("em1", epoch);
    await ground.janitor.round(0);
    expect(await there(`${prefix}0`)).toBe(true);
    await ground.ledger.report("em1", epoch, "alice", command.id, { state: "cancelled" });
    await ground.janitor.round();
    expect(await there(`${prefix}0`)).toBe(false);
  });

  test("what is kept stays however old it is, and whatever is known of its owner", async () => {
    const key = `${keptPrefix("alice", "another")}1/result`;
    await put(key);
    now += 400 * 24 * 3600_000;
    await ground.janitor.round();
    await ground.janitor.round(0);
    expect(await there(key)).toBe(true);
    await ground.staging.deletePrefix(keptPrefix("alice", "another"));
    expect(await there(key)).toBe(false);
  });

  test("downlinked content that nobody fetched goes after a day", async () => {
    const { command } = await ground.ledger.submit({ ...draft, operation: "volume.read" }, "queue");
    const epoch = await ground.ledger.startAgent("em1", "j", AGENT);
    await ground.ledger.claim("em1", epoch);
    await ground.ledger.report("em1", epoch, "alice", command.id, { state: "succeeded", result: {} });
    const key = `downlink/alice/_/${command.id}/0`;
    await put(key);
    now += 24 * 3600_000 - 1;
    await ground.janitor.round();
    expect(await there(key)).toBe(true);
    now += 1;
    await ground.janitor.round();
    expect(await there(key)).toBe(false);
  });

  test("what is younger than a day is not looked up, and one that cannot be deleted keeps no other", async () => {
    const keys = Array.from({ length: 3 }, () => `downlink/alice/_/${ulid(now)}/0`);
    for (const key of keys) await put(key);
    const command = vi.spyOn(ground.ledger, "command");
    await ground.janitor.round();
    expect(command).not.toHaveBeenCalled();
    now += 24 * 3600_000 + 1;
    const deletePrefix = ground.staging.deletePrefix.bind(ground.staging);
    vi.spyOn(ground.staging, "deletePrefix").mockImplementation(async (prefix) => {
      if (keys[0]!.startsWith(prefix)) throw new Error("not now");
      await deletePrefix(prefix);
    });
    await ground.janitor.round();
    expect(await Promise.all(keys.map(there))).toEqual([true, false, false]);
  });

  test("a round ends when its time is short, and the next goes on", async () => {
    let left = 29_999;
    const { ledger, staging, store } = ground;
    const janitor = new Janitor({
      ledger,
      staging,
      store,
      changes: new Changes(),
      edges: async () => [],
      now: () => now,
      log: pino({ level: "silent" }),
      timeLeftMs: () => left,
    });
    const key = "uplink/alice/_/01KAH8ZJ5Q4W6T8Y0B2C4D6E8F/0";
    await put(key);
    await janitor.round();
    expect(await there(key)).toBe(true);
    left = 30_000;
    await janitor.round();
    expect(await there(key)).toBe(false);
  });

  test("objects of commands that nobody knows go, logs of pods stay", async () => {
    await put("uplink/alice/_/01KAH8ZJ5Q4W6T8Y0B2C4D6E8F/0");
    await put("logs/em1/alice/pod-a/01KAH8ZJ5Q4W6T8Y0B2C4D6E8F/0");
    await ground.janitor.round();
    expect(await ground.staging.list("")).toMatchObject([
      { key: "logs/em1/alice/pod-a/01KAH8ZJ5Q4W6T8Y0B2C4D6E8F/0" },
    ]);
  });

  test("history goes 90 days after its end", async () => {
    const { command } = await ground.ledger.submit({ ...draft, operation: "nodes.status" }, "queue");
    await ground.ledger.cancel("alice", command.id);
    now += 90 * 24 * 3600_000;
    await ground.janitor.round();
    expect((await ground.ledger.command("alice", command.id)).state).toBe("cancelled");
    now += 1;
    await ground.janitor.round();
    await expect(ground.ledger.command("alice", command.id)).rejects.toMatchObject({
      code: "COMMAND_NOT_FOUND",
    });
  });
});
