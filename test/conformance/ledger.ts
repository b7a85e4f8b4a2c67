import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Command } from "#lambdas/ledger/command.ts";
import type { Draft } from "#lambdas/ledger/draft.ts";
import { keys } from "#lambdas/ledger/keys.ts";
import { LaneBusy } from "#lambdas/ledger/lane-busy.ts";
import { Ledger } from "#lambdas/ledger/ledger.ts";
import type { LedgerStore } from "#lambdas/ports/ledger-store.ts";
import { type ErrorCode, PerigeeError } from "#protocol/errors.ts";
import { isTerminal } from "#protocol/state.ts";

/** What the agent of these tests says of itself: as one of version 0.1. */
const AGENT = { version: "0.1.0" };

/**
 * The rules of the ledger, over whatever store it is given: every adapter of LedgerStore goes through this
 * unchanged. `open` gives connections to one and the same empty table, as several servers would have.
 */
export function ledgerConformance(
  name: string,
  makeTable: () => Promise<{ open(): Promise<LedgerStore>; close(): Promise<void> }>,
): void {
  describe(`ledger rules on ${name}`, () => {
    let table: Awaited<ReturnType<typeof makeTable>>;
    let now: number;
    let ledger: Ledger;
    let epoch: number;
    const clock = () => now;
    const open = async () => new Ledger(await table.open(), { now: clock });

    beforeEach(async () => {
      table = await makeTable();
      now = Date.UTC(2025, 10, 20);
      ledger = await open();
      epoch = await ledger.startAgent("em1", "journal-1", AGENT);
      await beat();
    });
    afterEach(() => table.close());

    const beat = () => ledger.heartbeat("em1", { epoch, nodes: [], usage: {}, free: 1 });
    const draft = (over: Partial<Draft> = {}): Draft => ({
      user: "alice",
      edge: "em1",
      operation: "nodes.status",
      input: {},
      ...over,
    });
    const lock = async (over: Partial<Draft> = {}) => (await ledger.submit(draft(over), "place")).command;
    const queue = async (over: Partial<Draft> = {}) => (await ledger.submit(draft(over), "queue")).command;
    const succeed = (command: Command, at = epoch) =>
      ledger.report("em1", at, command.user, command.id, { state: "succeeded", result: { nodes: [] } });

    test("an operation that the agent does not know is refused, and nothing is written", async () => {
      await refused("UNSUPPORTED_OPERATION", lock({ operation: "volume.polish" as never }));
      await refused("UNSUPPORTED_OPERATION", queue({ operation: "volume.polish" as never }));
      await ledger.startAgent("em1", "journal-1", {
        version: "9",
        operations: ["nodes.status"],
        features: ["x"],
      });
      expect(await ledger.edgeAgent("em1")).toEqual({
        version: "9",
        operations: ["nodes.status"],
        features: ["x"],
      });
      await refused("UNSUPPORTED_OPERATION", queue({ operation: "pod.stop", input: { pod: "a" } }));
      expect(await ledger.commands("alice", { limit: 10 })).toEqual([]);
      expect((await queue()).state).toBe("queued");
    });

    test("an edge whose agent has never started refuses no operation", async () => {
      expect(await ledger.edgeAgent("em9")).toBeUndefined();
      expect((await queue({ edge: "em9", operation: "volume.polish" as never })).state).toBe("queued");
    });

    test("a command goes from the lock through a claim to its end, and frees the edge", async () => {
      const command = await lock();
      expect(command).toMatchObject({ state: "queued", admission: "place", lane: "em", attempts: 0 });
      await refused("LOCKED", lock());
      const claimed = await ledger.claim("em1", epoch);
      expect(claimed).toMatchObject({ id: command.id, state: "running", attempts: 1, epoch });
      await refused("LOCKED", lock());
      expect(await succeed(command)).toMatchObject({ state: "succeeded", result: { nodes: [] } });
      expect(await ledger.claim("em1", epoch)).toBeUndefined();
      expect((await lock()).state).toBe("queued");
    });

    test("a claim gives the command as it stands, whether it is small or was changed meanwhile", async () => {
      const small = await lock({ input: { dest: "a" } });
      expect(await ledger.claim("em1", epoch)).toMatchObject({ id: small.id, input: { dest: "a" } });
      // once claimed, the edge's record holds none of it
      expect(JSON.stringify(await ledger.lane("em1"))).not.toContain("dest");
      await succeed(small);

      const large = { path: "x".repeat(4000) };
      const command = await lock({ input: large });
      expect(JSON.stringify(await ledger.lane("em1")).length).toBeLessThan(1000);
      expect(await ledger.claim("em1", epoch)).toMatchObject({ id: command.id, input: large });
      await succeed(command);

      const changed = await lock();
      const store = await table.open();
      const item = (await store.get<Command>(keys.command("alice", changed.id)))!;
      const data = { ...item.data, input: { changed: true } };
      await store.transact([{ put: { ...keys.command("alice", changed.id), data }, if: item.rev }]);
      const claimed = await ledger.claim("em1", epoch);
      expect(claimed).toMatchObject({ id: changed.id, state: "running", attempts: 1, input: data.input });
    });

    test("a refusal for a full lane says what holds it, and tells a user nothing by itself", async () => {
      const { id } = await lock();
      const busy = await refused("LOCKED", lock({ user: "bob" }));
      expect(busy).toBeInstanceOf(LaneBusy);
      expect(busy).toMatchObject({ lane: "em", id, user: "alice", operation: "nodes.status", since: now });
      expect(busy.data).toBeUndefined();
      expect(busy.message).not.toMatch(/alice|nodes.status/);
    });

    test("what is queued runs in order and keeps waiting calls out", async () => {
      const first = await queue();
      const second = await queue({ user: "bob" });
      await refused("LOCKED", lock());
      expect((await ledger.claim("em1", epoch))?.id).toBe(first.id);
      expect((await ledger.claim("em1", epoch))?.id).toBe(first.id);
      await succeed(first);
      expect((await ledger.claim("em1", epoch))?.id).toBe(second.id);
    });

    test("the queue is bounded per user and per edge", async () => {
      for (let i = 0; i < 20; i++) await queue();
      await refused("QUEUE_FULL", queue());
      for (const user of ["bob", "carol", "dave", "erin"]) for (let i = 0; i < 20; i++) await queue({ user });
      await refused("QUEUE_FULL", queue({ user: "frank" }));
      await succeed((await ledger.claim("em1", epoch))!);
      expect((await queue({ user: "frank" })).state).toBe("queued");
    });

    test("a reservation counts and blocks nobody; its place in the order comes when it is staged", async () => {
      const uplink = await ledger.reserve(draft({ operation: "volume.uplink" }), true);
      expect(uplink.state).toBe("staging");
      const locking = await lock();
      await refused("LOCKED", ledger.reserve(draft({ operation: "volume.uplink" }), true));
      const queued = await ledger.queue(uplink, { prefix: "uplink/alice/_/x/", input: { volume: "v" } });
      expect(queued).toMatchObject({ state: "queued", staged: "uplink/alice/_/x/" });
      expect((await ledger.claim("em1", epoch))?.id).toBe(locking.id);
      await succeed(locking);
      expect((await ledger.claim("em1", epoch))?.id).toBe(uplink.id);
    });

    test("reservations use up the places of a user", async () => {
      for (let i = 0; i < 20; i++) await ledger.reserve(draft({ operation: "volume.uplink" }), false);
      await refused("QUEUE_FULL", ledger.reserve(draft({ operation: "volume.uplink" }), false));
    });

    describe("uploads in parts", () => {
      const H = 3600_000;
      const upload = { operation: "volume.uplink" as const, input: { volume: "v" } };
      const open = async (over: Partial<Draft> = {}, bytes = 0) =>
        (
          await ledger.reserveParts(
            draft({ ...upload, ...over }),
            ({ id }) => `p/${id}/`,
            () => bytes,
          )
        ).command;

      test("one is reserved beside a busy edge and without contact, and queued once", async () => {
        await lock();
        now += 24 * H;
        const command = await open();
        expect(command).toMatchObject({ state: "staging", staged: `p/${command.id}/` });
        const staged = { prefix: command.staged!, input: { volume: "w" } };
        const queued = await ledger.queue(command, staged);
        expect(queued).toMatchObject({ state: "queued", input: { volume: "w" } });
        expect(await ledger.queue(command, { ...staged, input: {} })).toEqual(queued);
        expect((await ledger.lane("em1")).queue).toHaveLength(1);
      });

      test("one that ended after it was queued is found as it is", async () => {
        const command = await open();
        const staged = { prefix: command.staged!, input: {} };
        await ledger.queue(command, staged);
        await ledger.cancel("alice", command.id);
        expect((await ledger.queue(command, staged)).state).toBe("cancelled");
        const other = await open();
        await ledger.cancel("alice", other.id);
        await refused("CANCELLED", ledger.queue(other, staged));
      });

      test("it lives two hours from its last word, a day at most, and over the ground's restarts", async () => {
        const idle = await open();
        let busy = await open();
        now += 2 * H - 1;
        busy = await ledger.extend(busy);
        expect(await ledger.expireAbandoned("em1", 0)).toEqual([]);
        now += 1;
        expect((await ledger.expireAbandoned("em1")).map(({ id }) => id)).toEqual([idle.id]);
        expect((await ledger.extend(idle)).state).toBe("expired");
        for (let hours = 2; hours < 24; hours++) {
          busy = await ledger.extend(busy);
          expect(await ledger.expireAbandoned("em1")).toEqual([]);
          now += H;
        }
        expect((await ledger.expireAbandoned("em1")).map(({ id }) => id)).toEqual([busy.id]);
      });

      test("what it holds is decided by the edge as it is, whoever else reserves at once", async () => {
        const others = await Promise.all(
          Array.from({ length: 4 }, async () => new Ledger(await table.open(), { now: clock })),
        );
        const hold = ({ reserved }: { reserved: { bytes?: number }[] }) => {
          if (reserved.reduce((sum, { bytes = 0 }) => sum + bytes, 0) + 30 > 100) {
            throw new PerigeeError("QUOTA_EXCEEDED", "full");
          }
          return 30;
        };
        const all = await Promise.allSettled(
          Array.from({ length: 8 }, (_, i) =>
            others[i % 4]!.reserveParts(draft(upload), ({ id }) => `p/${id}/`, hold),
          ),
        );
        expect(all.filter(({ status }) => status === "fulfilled")).toHaveLength(3);
        await refused("QUOTA_EXCEEDED", ledger.reserve(draft(upload), false, hold));
      });

      test("its Idempotency-Key finds it, and it takes a place of its user's", async () => {
        const idempotency = { key: "k", route: "uplinks", digest: "d" };
        const first = await open({ idempotency });
        expect((await open({ idempotency })).id).toBe(first.id);
        await refused("IDEMPOTENCY_KEY_REUSED", open({ idempotency: { ...idempotency, digest: "e" } }));
        for (let i = 1; i < 20; i++) await open();
        await refused("QUEUE_FULL", open());
        await ledger.endUnclaimed(first, "expired");
        expect((await open({ idempotency })).id).not.toBe(first.id);
      });
    });

    test("without a recent heartbeat a waiting call is refused, a queued one is not", async () => {
      now += 90_000;
      expect((await lock()).state).toBe("queued");
      now += 1;
      await refused("EM_UNREACHABLE", lock());
      await refused("EM_UNREACHABLE", lock({ edge: "em2" }));
      await refused("EM_UNREACHABLE", ledger.reserve(draft(), true));
      expect((await queue()).state).toBe("queued");
    });

    test("withdrawal ends an unclaimed command once, and does nothing to a claimed one", async () => {
      const command = await lock();
      expect((await ledger.endUnclaimed(command, "expired")).state).toBe("expired");
      expect((await ledger.endUnclaimed(command, "expired")).state).toBe("expired");
      expect(await ledger.claim("em1", epoch)).toBeUndefined();
      const next = await lock();
      await ledger.claim("em1", epoch);
      expect((await ledger.endUnclaimed(next, "expired")).state).toBe("running");
    });

    test("of a withdrawal and a claim at once exactly one wins", async () => {
      const other = await open();
      for (let i = 0; i < 20; i++) {
        const command = await lock();
        const [ended, claimed] = await Promise.all([
          ledger.endUnclaimed(command, "expired"),
          other.claim("em1", epoch),
        ]);
        expect(claimed === undefined).toBe(ended.state === "expired");
        if (claimed) await succeed(command);
      }
    });

    test("a dead waiter's command is expired by the next claim after ten minutes", async () => {
      const dead = await lock();
      const queued = await queue({ user: "bob" }).catch(() => undefined);
      now += 10 * 60_000 + 1;
      await beat();
      const next = await ledger.claim("em1", epoch);
      expect((await ledger.command("alice", dead.id)).state).toBe("expired");
      expect(next?.id).toBe(queued?.id);
    });

    test("the janitor expires dead waiters and unfinished uploads, and nothing younger", async () => {
      const dead = await lock();
      const upload = await ledger.reserve(draft({ operation: "volume.uplink" }), false);
      expect(await ledger.expireAbandoned("em1")).toEqual([]);
      now += 10 * 60_000 + 1;
      expect((await ledger.expireAbandoned("em1")).map((c) => c.id)).toEqual([dead.id]);
      now += 60 * 60_000;
      expect((await ledger.expireAbandoned("em1")).map((c) => c.id)).toEqual([upload.id]);
      await refused("EXPIRED", ledger.queue(upload, { prefix: "x/", input: {} }));
    });

    test("reports of an older epoch are refused, and so are its claims and heartbeats", async () => {
      const command = await lock();
      await ledger.claim("em1", epoch);
      const newer = await ledger.startAgent("em1", "journal-1", AGENT);
      expect(newer).toBe(epoch + 1);
      await refused("STALE_EPOCH", succeed(command));
      await refused("STALE_EPOCH", ledger.claim("em1", epoch));
      await refused("STALE_EPOCH", ledger.progress("em1", epoch, "alice", command.id));
      await refused("STALE_EPOCH", beat());
      expect(await ledger.claim("em1", newer)).toMatchObject({ id: command.id, attempts: 2, epoch: newer });
      expect((await succeed(command, newer)).state).toBe("succeeded");
    });

    test("another journal fails a claimed change, and resumes what only reads", async () => {
      const change = await lock({ operation: "volume.delete", input: { volume: "v", path: "x" } });
      await ledger.claim("em1", epoch);
      epoch = await ledger.startAgent("em1", "journal-2", AGENT);
      expect(await ledger.command("alice", change.id)).toMatchObject({
        state: "failed",
        failure: { code: "INTERRUPTED" },
      });
      await beat();
      const read = await lock();
      await ledger.claim("em1", epoch);
      epoch = await ledger.startAgent("em1", "journal-3", AGENT);
      expect((await ledger.claim("em1", epoch))?.id).toBe(read.id);
    });

    test("a repeated report is acknowledged and changes nothing", async () => {
      const command = await lock();
      await ledger.claim("em1", epoch);
      await succeed(command);
      const again = await ledger.report("em1", epoch, "alice", command.id, { state: "cancelled" });
      expect(again.state).toBe("succeeded");
    });

    test("a report for a command that was never claimed, or of another edge, is refused", async () => {
      const command = await lock();
      await refused("COMMAND_NOT_FOUND", succeed(command));
      const other = await ledger.startAgent("em2", "j", AGENT);
      await refused(
        "COMMAND_NOT_FOUND",
        ledger.report("em2", other, "alice", command.id, { state: "cancelled" }),
      );
    });

    test("cancel ends what waits and asks what runs", async () => {
      const waiting = await queue();
      expect((await ledger.cancel("alice", waiting.id)).state).toBe("cancelled");
      expect((await ledger.cancel("alice", waiting.id)).state).toBe("cancelled");
      const running = await lock();
      await ledger.claim("em1", epoch);
      expect(await ledger.progress("em1", epoch, "alice", running.id, { phase: "reading" })).toBe(false);
      expect((await ledger.cancel("alice", running.id)).state).toBe("running");
      expect(await ledger.progress("em1", epoch, "alice", running.id)).toBe(true);
      expect((await ledger.command("alice", running.id)).progress).toEqual({ phase: "reading" });
      await ledger.report("em1", epoch, "alice", running.id, { state: "cancelled" });
      expect((await ledger.command("alice", running.id)).state).toBe("cancelled");
      await refused("COMMAND_NOT_FOUND", ledger.cancel("bob", running.id));
      const done = await lock();
      await ledger.claim("em1", epoch);
      await succeed(done);
      await refused("NOT_CANCELLABLE", ledger.cancel("alice", done.id));
    });

    test("an upload that was cancelled is not queued any more", async () => {
      const upload = await ledger.reserve(draft({ operation: "volume.uplink" }), false);
      await ledger.cancel("alice", upload.id);
      await refused("CANCELLED", ledger.queue(upload, { prefix: "x/", input: {} }));
      expect(await ledger.lane("em1")).toMatchObject({ queue: [], reserved: [] });
    });

    test("a reset abandons the running command, and its late report changes nothing", async () => {
      const command = await lock();
      await ledger.claim("em1", epoch);
      expect((await ledger.resetEdge("em1")).map(({ id }) => id)).toEqual([command.id]);
      expect(await ledger.progress("em1", epoch, "alice", command.id)).toBe(true);
      expect((await succeed(command)).state).toBe("failed");
      expect(await ledger.resetEdge("em1")).toEqual([]);
    });

    test("an Idempotency-Key finds the earlier command for 24 hours, before the lock is looked at", async () => {
      const idempotency = { key: "k", route: "POST /x", digest: "d" };
      const first = await lock({ idempotency });
      const replay = await ledger.submit(draft({ idempotency }), "place");
      expect(replay).toMatchObject({ replayed: true, command: { id: first.id } });
      await refused("IDEMPOTENCY_KEY_REUSED", lock({ idempotency: { ...idempotency, digest: "e" } }));
      await refused("LOCKED", lock({ idempotency: { ...idempotency, route: "POST /y" } }));
      await refused("LOCKED", lock({ user: "bob", idempotency }));
      await ledger.claim("em1", epoch);
      await succeed(first);
      now += 24 * 3600_000;
      await beat();
      expect((await ledger.submit(draft({ idempotency }), "place")).replayed).toBe(false);
    });

    test("a refused or withdrawn request leaves no idempotency record", async () => {
      const idempotency = { key: "k", route: "POST /x", digest: "d" };
      const holder = await lock();
      await refused("LOCKED", lock({ idempotency }));
      await ledger.endUnclaimed(holder, "expired");
      const withdrawn = await lock({ idempotency });
      await ledger.endUnclaimed(withdrawn, "expired");
      expect((await ledger.submit(draft({ idempotency }), "place")).replayed).toBe(false);
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
      const page = await ledger.commands("alice", { limit: 3 });
      expect(page.map(({ id }) => id)).toEqual(ids.slice(0, 3));
      const rest = await ledger.commands("alice", { limit: 3, before: page[2]!.id });
      expect(rest.map(({ id }) => id)).toEqual(ids.slice(3));
      await refused("COMMAND_NOT_FOUND", ledger.command("bob", ids[0]!));
    });

    test("whatever happens in whatever order, one command holds the edge and terminal states stay", async () => {
      const steps = fc.constantFrom(
        "lock",
        "queue",
        "reserve",
        "stage",
        "withdraw",
        "claim",
        "report",
        "fail",
        "cancel",
        "restart",
        "newJournal",
        "reset",
        "minutes",
      );
      await fc.assert(
        fc.asyncProperty(
          fc.array(steps, { maxLength: 40 }),
          fc.infiniteStream(fc.nat()),
          async (plan, picks) => {
            const edge = `p${Math.random().toString(36).slice(2)}`;
            const known = new Map<string, Command>();
            let at = await ledger.startAgent(edge, "j0", AGENT);
            let journals = 0;
            const pick = () => [...known.values()][picks.next().value! % Math.max(1, known.size)];
            const keep = (command: Command | undefined) => {
              if (!command) return;
              const before = known.get(command.id);
              if (before && isTerminal(before.state)) expect(command.state).toBe(before.state);
              known.set(command.id, command);
            };
            const on = { edge, operation: "volume.delete" as const };
            const acts: Record<string, () => Promise<Command | undefined>> = {
              lock: async () => (await ledger.submit(draft(on), "place")).command,
              queue: async () => (await ledger.submit(draft(on), "queue")).command,
              reserve: () => ledger.reserve(draft(on), false),
              stage: async () => ledger.queue(pick()!, { prefix: "p/", input: {} }),
              withdraw: async () => ledger.endUnclaimed(pick()!, "expired"),
              claim: () => ledger.claim(edge, at),
              report: async () =>
                ledger.report(edge, at, "alice", pick()!.id, { state: "succeeded", result: {} }),
              fail: async () =>
                ledger.report(edge, at, "alice", pick()!.id, {
                  state: "failed",
                  failure: { code: "DELETE_FAILED", message: "" },
                }),
              cancel: async () => ledger.cancel("alice", pick()!.id),
              restart: async () => {
                at = await ledger.startAgent(edge, `j${journals}`, AGENT);
              },
              newJournal: async () => {
                at = await ledger.startAgent(edge, `j${++journals}`, AGENT);
              },
              reset: async () => (await ledger.resetEdge(edge))[0],
              minutes: async () => {
                now += 11 * 60_000;
              },
            };
            for (const step of plan) {
              await ledger.heartbeat(edge, { epoch: at, nodes: [], usage: {}, free: 1 });
              try {
                keep((await acts[step]!()) ?? undefined);
              } catch (error) {
                if (!(error instanceof PerigeeError || error instanceof TypeError)) throw error;
              }
              const commands = await Promise.all([...known.keys()].map((id) => ledger.command("alice", id)));
              commands.forEach(keep);
              const running = commands.filter(({ state }) => state === "running");
              expect(running.length).toBeLessThanOrEqual(1);
              const state = await ledger.lane(edge);
              const [holder] = state.running;
              if (running[0]) expect(holder).toMatchObject({ id: running[0].id, claim: expect.any(Object) });
              const waiting = commands.filter((c) => c.state === "queued" && c.id !== holder?.id);
              expect(new Set(state.queue.map(({ id }) => id))).toEqual(new Set(waiting.map(({ id }) => id)));
              const staging = commands.filter((c) => c.state === "staging");
              expect(new Set(state.reserved.map(({ id }) => id))).toEqual(
                new Set(staging.map(({ id }) => id)),
              );
            }
          },
        ),
        { numRuns: 40 },
      );
    });
  });
}

async function refused(code: ErrorCode, call: Promise<unknown>): Promise<PerigeeError> {
  const error = await call.then(
    (value) => {
      throw new Error(`was not refused: ${JSON.stringify(value)}`);
    },
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(PerigeeError);
  expect((error as PerigeeError).code).toBe(code);
  return error as PerigeeError;
}
