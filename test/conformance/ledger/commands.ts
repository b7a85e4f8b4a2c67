import { expect, test } from "vitest";
import type { Command } from "#lambdas/ledger/command.ts";
import { keys } from "#lambdas/ledger/keys.ts";
import { LaneBusy } from "#lambdas/ledger/lane-busy.ts";
import { AGENT, draft, type LedgerRig, refused } from "./ledger-rig.ts";

/** The way of a command through the lock, the queue, claims, reports and ends. */
export function testCommands(rig: LedgerRig): void {
  const { beat, lock, open, queue, succeed } = rig;

  test("an operation that the agent does not know is refused, and nothing is written", async () => {
    await refused("UNSUPPORTED_OPERATION", lock({ operation: "volume.polish" as never }));
    await refused("UNSUPPORTED_OPERATION", queue({ operation: "volume.polish" as never }));
    await rig.ledger.startAgent("em1", "journal-1", {
      version: "9",
      operations: ["nodes.status"],
      features: ["x"],
    });
    expect(await rig.ledger.edgeAgent("em1")).toEqual({
      version: "9",
      operations: ["nodes.status"],
      features: ["x"],
    });
    await refused("UNSUPPORTED_OPERATION", queue({ operation: "pod.stop", input: { pod: "a" } }));
    expect(await rig.ledger.commands("alice", { limit: 10 })).toEqual([]);
    expect((await queue()).state).toBe("queued");
  });

  test("an edge whose agent has never started refuses no operation", async () => {
    expect(await rig.ledger.edgeAgent("em9")).toBeUndefined();
    expect((await queue({ edge: "em9", operation: "volume.polish" as never })).state).toBe("queued");
  });

  test("a command goes from the lock through a claim to its end, and frees the edge", async () => {
    const command = await lock();
    expect(command).toMatchObject({ state: "queued", admission: "place", lane: "em", attempts: 0 });
    await refused("LOCKED", lock());
    const claimed = await rig.ledger.claim("em1", rig.epoch);
    expect(claimed).toMatchObject({ id: command.id, state: "running", attempts: 1, epoch: rig.epoch });
    await refused("LOCKED", lock());
    expect(await succeed(command)).toMatchObject({ state: "succeeded", result: { nodes: [] } });
    expect(await rig.ledger.claim("em1", rig.epoch)).toBeUndefined();
    expect((await lock()).state).toBe("queued");
  });

  test("a claim gives the command as it stands, whether it is small or was changed meanwhile", async () => {
    const small = await lock({ input: { dest: "a" } });
    expect(await rig.ledger.claim("em1", rig.epoch)).toMatchObject({ id: small.id, input: { dest: "a" } });
    // once claimed, the edge's record holds none of it
    expect(JSON.stringify(await rig.ledger.lane("em1"))).not.toContain("dest");
    await succeed(small);

    const large = { path: "x".repeat(4000) };
    const command = await lock({ input: large });
    expect(JSON.stringify(await rig.ledger.lane("em1")).length).toBeLessThan(1000);
    expect(await rig.ledger.claim("em1", rig.epoch)).toMatchObject({ id: command.id, input: large });
    await succeed(command);

    const changed = await lock();
    const store = await rig.table.open();
    const item = (await store.get<Command>(keys.command("alice", changed.id)))!;
    const data = { ...item.data, input: { changed: true } };
    await store.transact([{ put: { ...keys.command("alice", changed.id), data }, if: item.rev }]);
    const claimed = await rig.ledger.claim("em1", rig.epoch);
    expect(claimed).toMatchObject({ id: changed.id, state: "running", attempts: 1, input: data.input });
  });

  test("a refusal for a full lane says what holds it, and tells a user nothing by itself", async () => {
    const { id } = await lock();
    const busy = await refused("LOCKED", lock({ user: "bob" }));
    expect(busy).toBeInstanceOf(LaneBusy);
    expect(busy).toMatchObject({ lane: "em", id, user: "alice", operation: "nodes.status", since: rig.now });
    expect(busy.data).toBeUndefined();
    expect(busy.message).not.toMatch(/alice|nodes.status/);
  });

  test("what is queued runs in order and keeps waiting calls out", async () => {
    const first = await queue();
    const second = await queue({ user: "bob" });
    await refused("LOCKED", lock());
    expect((await rig.ledger.claim("em1", rig.epoch))?.id).toBe(first.id);
    expect((await rig.ledger.claim("em1", rig.epoch))?.id).toBe(first.id);
    await succeed(first);
    expect((await rig.ledger.claim("em1", rig.epoch))?.id).toBe(second.id);
  });

  test("the queue is bounded per user and per edge", async () => {
    for (let i = 0; i < 20; i++) await queue();
    await refused("QUEUE_FULL", queue());
    for (const user of ["bob", "carol", "dave", "erin"]) for (let i = 0; i < 20; i++) await queue({ user });
    await refused("QUEUE_FULL", queue({ user: "frank" }));
    await succeed((await rig.ledger.claim("em1", rig.epoch))!);
    expect((await queue({ user: "frank" })).state).toBe("queued");
  });

  test("a reservation counts and blocks nobody; its place in the order comes when it is staged", async () => {
    const uplink = await rig.ledger.reserve(draft({ operation: "volume.uplink" }), true);
    expect(uplink.state).toBe("staging");
    const locking = await lock();
    await refused("LOCKED", rig.ledger.reserve(draft({ operation: "volume.uplink" }), true));
    const queued = await rig.ledger.queue(uplink, { prefix: "uplink/alice/_/x/", input: { volume: "v" } });
    expect(queued).toMatchObject({ state: "queued", staged: "uplink/alice/_/x/" });
    expect((await rig.ledger.claim("em1", rig.epoch))?.id).toBe(locking.id);
    await succeed(locking);
    expect((await rig.ledger.claim("em1", rig.epoch))?.id).toBe(uplink.id);
  });

  test("reservations use up the places of a user", async () => {
    for (let i = 0; i < 20; i++) await rig.ledger.reserve(draft({ operation: "volume.uplink" }), false);
    await refused("QUEUE_FULL", rig.ledger.reserve(draft({ operation: "volume.uplink" }), false));
  });

  test("without a recent heartbeat a waiting call is refused, a queued one is not", async () => {
    rig.now += 90_000;
    expect((await lock()).state).toBe("queued");
    rig.now += 1;
    await refused("EM_UNREACHABLE", lock());
    await refused("EM_UNREACHABLE", lock({ edge: "em2" }));
    await refused("EM_UNREACHABLE", rig.ledger.reserve(draft(), true));
    expect((await queue()).state).toBe("queued");
  });

  test("withdrawal ends an unclaimed command once, and does nothing to a claimed one", async () => {
    const command = await lock();
    expect((await rig.ledger.endUnclaimed(command, "expired")).state).toBe("expired");
    expect((await rig.ledger.endUnclaimed(command, "expired")).state).toBe("expired");
    expect(await rig.ledger.claim("em1", rig.epoch)).toBeUndefined();
    const next = await lock();
    await rig.ledger.claim("em1", rig.epoch);
    expect((await rig.ledger.endUnclaimed(next, "expired")).state).toBe("running");
  });

  test("of a withdrawal and a claim at once exactly one wins", async () => {
    const other = await open();
    for (let i = 0; i < 20; i++) {
      const command = await lock();
      const [ended, claimed] = await Promise.all([
        rig.ledger.endUnclaimed(command, "expired"),
        other.claim("em1", rig.epoch),
      ]);
      expect(claimed === undefined).toBe(ended.state === "expired");
      if (claimed) await succeed(command);
    }
  });

  test("a dead waiter's command is expired by the next claim after ten minutes", async () => {
    const dead = await lock();
    const queued = await queue({ user: "bob" }).catch(() => undefined);
    rig.now += 10 * 60_000 + 1;
    await beat();
    const next = await rig.ledger.claim("em1", rig.epoch);
    expect((await rig.ledger.command("alice", dead.id)).state).toBe("expired");
    expect(next?.id).toBe(queued?.id);
  });

  test("the janitor expires dead waiters and unfinished uploads, and nothing younger", async () => {
    const dead = await lock();
    const upload = await rig.ledger.reserve(draft({ operation: "volume.uplink" }), false);
    expect(await rig.ledger.expireAbandoned("em1")).toEqual([]);
    rig.now += 10 * 60_000 + 1;
    expect((await rig.ledger.expireAbandoned("em1")).map((c) => c.id)).toEqual([dead.id]);
    rig.now += 60 * 60_000;
    expect((await rig.ledger.expireAbandoned("em1")).map((c) => c.id)).toEqual([upload.id]);
    await refused("EXPIRED", rig.ledger.queue(upload, { prefix: "x/", input: {} }));
  });

  test("reports of an older epoch are refused, and so are its claims and heartbeats", async () => {
    const command = await lock();
    await rig.ledger.claim("em1", rig.epoch);
    const newer = await rig.ledger.startAgent("em1", "journal-1", AGENT);
    expect(newer).toBe(rig.epoch + 1);
    await refused("STALE_EPOCH", succeed(command));
    await refused("STALE_EPOCH", rig.ledger.claim("em1", rig.epoch));
    await refused("STALE_EPOCH", rig.ledger.progress("em1", rig.epoch, "alice", command.id));
    await refused("STALE_EPOCH", beat());
    expect(await rig.ledger.claim("em1", newer)).toMatchObject({ id: command.id, attempts: 2, epoch: newer });
    expect((await succeed(command, newer)).state).toBe("succeeded");
  });

  test("another journal fails a claimed change, and resumes what only reads", async () => {
    const change = await lock({ operation: "volume.delete", input: { volume: "v", path: "x" } });
    await rig.ledger.claim("em1", rig.epoch);
    rig.epoch = await rig.ledger.startAgent("em1", "journal-2", AGENT);
    expect(await rig.ledger.command("alice", change.id)).toMatchObject({
      state: "failed",
      failure: { code: "INTERRUPTED" },
    });
    await beat();
    const read = await lock();
    await rig.ledger.claim("em1", rig.epoch);
    rig.epoch = await rig.ledger.startAgent("em1", "journal-3", AGENT);
    expect((await rig.ledger.claim("em1", rig.epoch))?.id).toBe(read.id);
  });

  test("a repeated report is acknowledged and changes nothing", async () => {
    const command = await lock();
    await rig.ledger.claim("em1", rig.epoch);
    await succeed(command);
    const again = await rig.ledger.report("em1", rig.epoch, "alice", command.id, { state: "cancelled" });
    expect(again.state).toBe("succeeded");
  });

  test("a report for a command that was never claimed, or of another edge, is refused", async () => {
    const command = await lock();
    await refused("COMMAND_NOT_FOUND", succeed(command));
    const other = await rig.ledger.startAgent("em2", "j", AGENT);
    await refused(
      "COMMAND_NOT_FOUND",
      rig.ledger.report("em2", other, "alice", command.id, { state: "cancelled" }),
    );
  });

  test("cancel ends what waits and asks what runs", async () => {
    const waiting = await queue();
    expect((await rig.ledger.cancel("alice", waiting.id)).state).toBe("cancelled");
    expect((await rig.ledger.cancel("alice", waiting.id)).state).toBe("cancelled");
    const running = await lock();
    await rig.ledger.claim("em1", rig.epoch);
    expect(await rig.ledger.progress("em1", rig.epoch, "alice", running.id, { phase: "reading" })).toBe(
      false,
    );
    expect((await rig.ledger.cancel("alice", running.id)).state).toBe("running");
    expect(await rig.ledger.progress("em1", rig.epoch, "alice", running.id)).toBe(true);
    expect((await rig.ledger.command("alice", running.id)).progress).toEqual({ phase: "reading" });
    await rig.ledger.report("em1", rig.epoch, "alice", running.id, { state: "cancelled" });
    expect((await rig.ledger.command("alice", running.id)).state).toBe("cancelled");
    await refused("COMMAND_NOT_FOUND", rig.ledger.cancel("bob", running.id));
    const done = await lock();
    await rig.ledger.claim("em1", rig.epoch);
    await succeed(done);
    await refused("NOT_CANCELLABLE", rig.ledger.cancel("alice", done.id));
  });

  test("an upload that was cancelled is not queued any more", async () => {
    const upload = await rig.ledger.reserve(draft({ operation: "volume.uplink" }), false);
    await rig.ledger.cancel("alice", upload.id);
    await refused("CANCELLED", rig.ledger.queue(upload, { prefix: "x/", input: {} }));
    expect(await rig.ledger.lane("em1")).toMatchObject({ queue: [], reserved: [] });
  });

  test("a reset abandons the running command, and its late report changes nothing", async () => {
    const command = await lock();
    await rig.ledger.claim("em1", rig.epoch);
    expect((await rig.ledger.resetEdge("em1")).map(({ id }) => id)).toEqual([command.id]);
    expect(await rig.ledger.progress("em1", rig.epoch, "alice", command.id)).toBe(true);
    expect((await succeed(command)).state).toBe("failed");
    expect(await rig.ledger.resetEdge("em1")).toEqual([]);
  });

  test("an Idempotency-Key finds the earlier command for 24 hours, before the lock is looked at", async () => {
    const idempotency = { key: "k", route: "POST /x", digest: "d" };
    const first = await lock({ idempotency });
    const replay = await rig.ledger.submit(draft({ idempotency }), "place");
    expect(replay).toMatchObject({ replayed: true, command: { id: first.id } });
    await refused("IDEMPOTENCY_KEY_REUSED", lock({ idempotency: { ...idempotency, digest: "e" } }));
    await refused("LOCKED", lock({ idempotency: { ...idempotency, route: "POST /y" } }));
    await refused("LOCKED", lock({ user: "bob", idempotency }));
    await rig.ledger.claim("em1", rig.epoch);
    await succeed(first);
    rig.now += 24 * 3600_000;
    await beat();
    expect((await rig.ledger.submit(draft({ idempotency }), "place")).replayed).toBe(false);
  });

  test("a refused or withdrawn request leaves no idempotency record", async () => {
    const idempotency = { key: "k", route: "POST /x", digest: "d" };
    const holder = await lock();
    await refused("LOCKED", lock({ idempotency }));
    await rig.ledger.endUnclaimed(holder, "expired");
    const withdrawn = await lock({ idempotency });
    await rig.ledger.endUnclaimed(withdrawn, "expired");
    expect((await rig.ledger.submit(draft({ idempotency }), "place")).replayed).toBe(false);
  });

  test("the same key sent many times at once makes one command", async () => {
    const others = await Promise.all(Array.from({ length: 4 }, open));
    const idempotency = { key: "k", route: "POST /x", digest: "d" };
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, i) => others[i % 4]!.submit(draft({ idempotency }), "queue")),
    );
    expect(new Set(all.map(({ command }) => command.id)).size).toBe(1);
    expect(all.filter(({ replayed }) => !replayed)).toHaveLength(1);
  });

  test("of many calls at once over several servers one takes the lock", async () => {
    const others = await Promise.all(Array.from({ length: 4 }, open));
    const all = await Promise.allSettled(
      Array.from({ length: 40 }, (_, i) => others[i % 4]!.submit(draft({ user: `user${i % 7}` }), "place")),
    );
    expect(all.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const one of all)
      if (one.status === "rejected") expect(one.reason).toMatchObject({ code: "LOCKED" });
  });

  test("commands are listed newest first, paged, and only one's own", async () => {
    const ids: string[] = [];
    for (let i = 0; i < 5; i++) ids.unshift((await queue()).id);
    await queue({ user: "bob" });
    const page = await rig.ledger.commands("alice", { limit: 3 });
    expect(page.map(({ id }) => id)).toEqual(ids.slice(0, 3));
    const rest = await rig.ledger.commands("alice", { limit: 3, before: page[2]!.id });
    expect(rest.map(({ id }) => id)).toEqual(ids.slice(3));
    await refused("COMMAND_NOT_FOUND", rig.ledger.command("bob", ids[0]!));
  });
}
