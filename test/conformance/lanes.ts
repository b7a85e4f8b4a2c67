import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Admission, Command } from "#lambdas/ledger/command.ts";
import type { Draft } from "#lambdas/ledger/draft.ts";
import { LaneBusy } from "#lambdas/ledger/lane-busy.ts";
import { FIRST_LANE_OPTIONS, type LaneOptions } from "#lambdas/ledger/lane-options.ts";
import { Ledger } from "#lambdas/ledger/ledger.ts";
import { ConditionFailed, ITEM_BYTES, type LedgerStore } from "#lambdas/ports/ledger-store.ts";
import { OPERATION_NAMES } from "#protocol/operations.ts";

const AGENT = { version: "9", operations: OPERATION_NAMES as string[], features: ["grants"] };
const EM = FIRST_LANE_OPTIONS;
const JOBS: LaneOptions = {
  name: "jobs",
  width: 8,
  order: "round-robin",
  bounds: { queuePerEdge: 500, queuePerUser: 300 },
};
/** Its dialect writes a record of its own when a command of it ends. */
const NOTED: LaneOptions = {
  ...JOBS,
  name: "noted",
  onEnd: ({ id, state }) => [{ put: { pk: "notes", sk: id, data: { state } } }],
};

/** Its dialect's records of an end are such as no store takes, by the command's input. */
const BROKEN: LaneOptions = {
  ...JOBS,
  name: "broken",
  async onEnd({ id, input }) {
    const { path } = input as { path: string };
    const note = (data: unknown) => ({ put: { pk: "notes", sk: id, data } });
    if (path === "throws") throw new Error("the dialect's fault");
    if (path === "large") return [note("x".repeat(ITEM_BYTES + 1))];
    if (path === "many")
      return Array.from({ length: 40 }, (_, i) => ({ put: { pk: "notes", sk: `${id}${i}`, data: i } }));
    if (path === "twice") return [note(1), note(2)];
    if (path === "together")
      return Array.from({ length: 20 }, (_, i) => ({
        put: { pk: "notes", sk: `${id}${i}`, data: "x".repeat(ITEM_BYTES - 10) },
      }));
    if (path === "condition") return [{ ...note(1), if: 7 }];
    return [note(1)];
  },
};
const FAULTS = ["throws", "large", "many", "twice", "together", "condition"];

/** The rules of several lanes, over whatever store they are given: as `ledgerConformance`. */
export function lanesConformance(
  name: string,
  makeTable: () => Promise<{ open(): Promise<LedgerStore>; close(): Promise<void> }>,
): void {
  describe(`lanes on ${name}`, () => {
    let table: Awaited<ReturnType<typeof makeTable>>;
    let store: LedgerStore;
    let now: number;
    let ledger: Ledger;
    let epoch: number;

    const open = async (lanes = [EM, JOBS, NOTED]) =>
      new Ledger(await table.open(), { now: () => now, lanes });
    const start = async (journal = "journal-1", agent = AGENT) => {
      epoch = await ledger.startAgent("em1", journal, agent);
      await ledger.heartbeat("em1", { epoch, nodes: [], usage: {}, free: 1 });
    };
    beforeEach(async () => {
      table = await makeTable();
      store = await table.open();
      now = Date.UTC(2025, 10, 20);
      ledger = await open();
      await start();
    });
    afterEach(() => table.close());

    const draft = (over: Partial<Draft> = {}): Draft => ({
      user: "alice",
      edge: "em1",
      lane: "jobs",
      operation: "volume.delete",
      input: { volume: "v", path: "x" },
      ...over,
    });
    const submit = async (over: Partial<Draft> = {}, admission: Admission = "queue") =>
      (await ledger.submit(draft(over), admission)).command;
    const many = (count: number, over: Partial<Draft> = {}) =>
      Promise.all(Array.from({ length: count }, () => submit(over)));
    const claim = (room: Record<string, number>, have: string[] = [], turn = 1) =>
      ledger.claimMany("em1", { epoch, room, have, turn });
    const report = ({ user, id, lane }: Command, at = epoch) =>
      ledger.finish({ edge: "em1", epoch: at, user, id, lane }, async () => ({
        state: "succeeded",
        result: {},
      }));
    const ids = (commands: readonly { id: string }[]) => commands.map(({ id }) => id);

    test("the EM refuses while its command runs beside eight of another lane, and only then", async () => {
      await many(9);
      expect(ids((await claim({ jobs: 100 })).commands)).toHaveLength(8);
      const holder = await submit({ lane: "em" }, "place");
      const { commands, more } = await claim({ em: 1, jobs: 100 }, ids(await running("jobs")), 2);
      expect(ids(commands)).toEqual([holder.id]);
      expect(more).toBe(false);
      const busy = await submit({ lane: "em" }, "place").catch((error: unknown) => error);
      expect(busy).toBeInstanceOf(LaneBusy);
      expect(busy).toMatchObject({ code: "LOCKED", lane: "em", id: holder.id });
      expect((await report(holder)).more).toBe(false);
      expect((await submit({ lane: "em" }, "place")).state).toBe("queued");
    });
    const running = async (lane: string) => (await ledger.lane("em1", lane)).running;

    test("a lane of eight takes eight places at once and refuses the ninth", async () => {
      const eight = await Promise.all(Array.from({ length: 8 }, () => submit({}, "place")));
      await expect(submit({}, "place")).rejects.toBeInstanceOf(LaneBusy);
      await submit();
      const { commands } = await claim({ jobs: 100 });
      expect(ids(commands)).toEqual(ids(eight));
      expect((await report(eight[3]!)).more).toBe(true);
    });

    test("free places go round the users and their groups", async () => {
      await many(3, { group: "long" });
      await submit({ group: "short" });
      await submit({ user: "bob" });
      const { commands } = await claim({ jobs: 4 });
      expect(commands.map(({ user, group }) => group ?? user)).toEqual(["long", "bob", "short", "long"]);
      expect(await ledger.ahead((await ledger.commands("alice", { limit: 2 }))[1]!)).toBe(0);
    });

    test("the operator's width counts, and the EM's cannot be changed", async () => {
      const of = await table.open();
      const wide = new Ledger(of, { now: () => now, lanes: [EM, JOBS], widths: { jobs: 2 } });
      expect(wide.widths()).toEqual({ em: 1, jobs: 2 });
      await many(3);
      const taken = await wide.claimMany("em1", { epoch, room: { jobs: 100 } });
      expect(taken).toMatchObject({ more: false, complete: true });
      expect(taken.commands).toHaveLength(2);
      expect(() => new Ledger(of, { lanes: [EM], widths: { em: 2 } })).toThrow(RangeError);
    });

    test("room is never exceeded, and what it lacks is said", async () => {
      await many(5);
      expect(await claim({ jobs: 2 })).toMatchObject({ complete: true, more: true });
      expect((await claim({}, ids(await running("jobs")))).commands).toEqual([]);
      const next = await claim({ jobs: 100 }, ids(await running("jobs")), 2);
      expect(next.commands).toHaveLength(3);
      expect(next.more).toBe(false);
      expect(next.commands[0]).toMatchObject({ order: [epoch, 2], attempts: 1, lane: "jobs", grants: true });
    });

    test("a claim whose answer was lost hands the same commands out again, and none else twice", async () => {
      await many(6);
      const first = await claim({ jobs: 2 });
      const lost = await claim({ jobs: 2 }, ids(first.commands), 2);
      const again = await claim({ jobs: 2 }, ids(first.commands), 3);
      expect(ids(again.resumed)).toEqual(ids(lost.commands));
      expect(again.resumed.map(({ attempts, order }) => [attempts, order])).toEqual([
        [1, [epoch, 2]],
        [1, [epoch, 2]],
      ]);
      expect(again.complete).toBe(true);
      expect(again.commands).toHaveLength(2);
    });

    test("a claim that was delayed on its way takes its commands after those of the next claim", async () => {
      await many(4);
      const next = await claim({ jobs: 2 }, [], 2);
      const delayed = await claim({ jobs: 2 }, ids(next.commands), 1);
      expect(delayed.commands.map(({ order }) => order)).toEqual([
        [epoch, 2],
        [epoch, 2],
      ]);
      await start();
      const again = await claim({ jobs: 4 });
      expect(ids(again.resumed)).toEqual([...ids(next.commands), ...ids(delayed.commands)]);
    });

    test("all that runs comes first after a start, in the order in which it was claimed", async () => {
      await many(4);
      await submit({ lane: "noted" });
      await submit({ lane: "em" });
      const a = await claim({ jobs: 1, noted: 1 });
      const b = await claim({ jobs: 2, em: 1 }, ids(a.commands), 2);
      await start();
      const again = await claim({ jobs: 100, em: 1, noted: 1 });
      expect(ids(again.resumed)).toEqual([...ids(a.commands), ...ids(b.commands)]);
      expect(again.resumed.map(({ attempts }) => attempts)).toEqual([2, 2, 2, 2, 2]);
      expect(again).toMatchObject({ complete: true });
      expect(again.commands).toHaveLength(1);
      expect((await claim({}, [...ids(again.resumed), ...ids(again.commands)], 2)).resumed).toEqual([]);
    });

    test("more than one answer holds are resumed in several, and nothing new comes before they are whole", async () => {
      const wide = { ...JOBS, width: 60 };
      ledger = await open([EM, wide]);
      await many(60, { user: "bob" });
      const have: string[] = [];
      while (have.length < 60)
        have.push(...ids((await claim({ jobs: 100 }, have, have.length + 1)).commands));
      await submit();
      await start();
      const got: string[] = [];
      for (let turn = 1; ; turn++) {
        const { resumed, complete, commands, more } = await claim({ jobs: 100, em: 1 }, got, turn);
        got.push(...ids(resumed));
        expect(commands).toEqual([]);
        if (complete) break;
        expect(more).toBe(true);
      }
      expect(got).toEqual(have);
    });

    test("an answer is bounded in bytes", async () => {
      const large = { volume: "v", path: "x".repeat(150_000) };
      await many(12, { input: large, lane: "jobs" });
      const bytes = (commands: Command[]) => Buffer.byteLength(JSON.stringify(commands));
      const { commands, more } = await claim({ jobs: 100 });
      expect(commands.length).toBeGreaterThan(0);
      expect(bytes(commands)).toBeLessThan(1024 * 1024);
      expect(more).toBe(true);
      await start();
      const again = await claim({ jobs: 100 });
      expect(ids(again.resumed)).toEqual(ids(commands));
    });

    test("another journal ends more running changes than one transaction holds, and resumes what reads", async () => {
      const wide = { ...JOBS, width: 60 };
      ledger = await open([EM, wide]);
      await many(40);
      await many(3, { user: "bob", operation: "nodes.status", input: {} });
      const have: string[] = [];
      while (have.length < 43) have.push(...ids((await claim({ jobs: 100 }, have)).commands));
      await start("journal-2");
      const states = await Promise.all(have.map((id) => ledger.command("alice", id).catch(() => undefined)));
      expect(states.filter((one) => one?.failure?.code === "INTERRUPTED")).toHaveLength(40);
      expect((await claim({})).resumed.map(({ user }) => user)).toEqual(["bob", "bob", "bob"]);
    });

    test("commands that a newly started agent does not know fail, wherever they were", async () => {
      const reads = await submit({ operation: "nodes.status", input: {} });
      const changes = await submit();
      const place = await submit({ lane: "em" }, "place");
      await claim({ jobs: 2 });
      const waits = await submit();
      await start("journal-1", { ...AGENT, operations: ["pod.stop"] });
      const codes = await Promise.all(
        [reads, changes, place, waits].map(
          async ({ id }) => (await ledger.command("alice", id)).failure?.code,
        ),
      );
      const unknown = "UNSUPPORTED_OPERATION";
      expect(codes).toEqual([unknown, "INTERRUPTED", unknown, unknown]);
      expect(await claim({ jobs: 100, em: 1 })).toMatchObject({ resumed: [], commands: [], more: false });
    });

    test("a claim of an agent that runs one at a time gets the EM's lane only", async () => {
      await submit();
      expect(await ledger.claim("em1", epoch)).toBeUndefined();
      const em = await submit({ lane: "em" });
      expect((await ledger.claim("em1", epoch))?.id).toBe(em.id);
    });

    test("progress of many: grants and waits are noted once, and who should stop is told", async () => {
      await many(3);
      const [a, b, c] = (await claim({ jobs: 3 })).commands as [Command, Command, Command];
      await ledger.cancel("alice", c.id);
      const of = ({ id }: Command) => ({ user: "alice", command: id });
      const waitsFor = { resource: "volume v", behind: a.id };
      expect(
        await ledger.noteProgress("em1", epoch, [
          { ...of(a), granted: true, progress: { phase: "deleting" } },
          { ...of(b), waitsFor },
          of(c),
        ]),
      ).toEqual({ cancel: [c.id], kill: [] });
      const granted = now;
      expect(await ledger.command("alice", a.id)).toMatchObject({
        grantedAt: granted,
        progress: { phase: "deleting" },
      });
      expect((await ledger.command("alice", b.id)).waitsFor).toEqual(waitsFor);
      now += 1000;
      await ledger.noteProgress("em1", epoch, [
        { ...of(a), granted: true },
        { ...of(b), granted: true },
      ]);
      expect((await ledger.command("alice", a.id)).grantedAt).toBe(granted);
      const later = await ledger.command("alice", b.id);
      expect(later.grantedAt).toBe(now);
      expect(later.waitsFor).toBeUndefined();
      // a kill is more than the cancel that was asked for before, and a cancel after it changes nothing
      await ledger.cancel("alice", c.id, { kill: true });
      await ledger.cancel("alice", c.id);
      expect(await ledger.noteProgress("em1", epoch, [of(b), of(c)])).toEqual({
        cancel: [c.id],
        kill: [c.id],
      });
      // cancelled into a normal end
      expect((await report(c)).command.state).toBe("succeeded");
    });

    test("a wrong or missing lane in a report does not matter, and what ended it is prepared once", async () => {
      const command = await submit();
      await claim({ jobs: 1 });
      let prepared = 0;
      const of = { edge: "em1", epoch, user: "alice", id: command.id };
      const { ended } = await ledger.finish(of, async () => {
        prepared++;
        // another process changes the command and the lane before the transaction
        const another = await open();
        await another.cancel("alice", command.id);
        await another.submit(draft(), "queue");
        return { state: "succeeded", result: {} };
      });
      expect({ ended, prepared }).toEqual({ ended: true, prepared: 1 });
      expect((await ledger.lane("em1", "jobs")).running).toEqual([]);
    });

    test("a dialect's records land with the command and with its end, however that comes", async () => {
      const numbers = (command: Command) => [{ put: { pk: "numbers", sk: "1", data: command.id }, if: 0 }];
      const command = await submit({ lane: "noted", records: numbers });
      expect((await store.get({ pk: "numbers", sk: "1" }))?.data).toBe(command.id);
      const noted = async ({ id }: Command) => (await store.get({ pk: "notes", sk: id }))?.data;
      expect(await noted(command)).toBeUndefined();
      await claim({ noted: 1 });
      await report(command);
      expect(await noted(command)).toEqual({ state: "succeeded" });
      const [cancelled, given] = [await submit({ lane: "noted" }), await submit({ lane: "noted" })];
      await ledger.cancel("alice", cancelled.id);
      expect(await noted(cancelled)).toEqual({ state: "cancelled" });
      await claim({ noted: 1 });
      await ledger.resetEdge("em1");
      expect(await noted(given)).toEqual({ state: "failed" });
    });

    test("a quota is one over the reservations of all lanes, whoever reserves at once", async () => {
      const others = await Promise.all(Array.from({ length: 4 }, () => open()));
      const bytes = (reserved: readonly { bytes?: number }[]) => {
        if (reserved.reduce((sum, { bytes = 0 }) => sum + bytes, 0) + 30 > 100) throw new Error("full");
        return 30;
      };
      const all = await Promise.allSettled(
        Array.from({ length: 8 }, (_, i) =>
          others[i % 4]!.reserve(draft({ lane: ["em", "jobs", "noted"][i % 3]! }), false, bytes),
        ),
      );
      expect(all.filter(({ status }) => status === "fulfilled")).toHaveLength(3);
    });

    describe("a submission of more commands than one transaction holds", () => {
      const drafts = (count: number) =>
        Array.from({ length: count }, (_, n) => draft({ input: { volume: "v", path: `f${n}` } }));
      const key = { key: "k", route: "jobs", digest: "d" };

      test("is queued whole and in order, once for its key", async () => {
        const { commands, replayed } = await ledger.submitMany(drafts(200), key);
        expect(replayed).toBe(false);
        expect(commands.map(({ input }) => (input as { path: string }).path)).toEqual(
          Array.from({ length: 200 }, (_, n) => `f${n}`),
        );
        expect(ids((await ledger.lane("em1", "jobs")).queue)).toEqual(ids(commands));
        const again = await ledger.submitMany(drafts(200), key);
        expect(again.replayed).toBe(true);
        expect(ids(again.commands)).toEqual(ids(commands));
        const other = ledger.submitMany(drafts(1), { ...key, digest: "e" });
        await expect(other).rejects.toMatchObject({ code: "IDEMPOTENCY_KEY_REUSED" });
      });

      test("is refused whole", async () => {
        await expect(ledger.submitMany(drafts(301), key)).rejects.toMatchObject({ code: "QUEUE_FULL" });
        expect(await ledger.commands("alice", { limit: 1 })).toEqual([]);
        expect((await ledger.submitMany(drafts(300), key)).commands).toHaveLength(300);
        await expect(submit()).rejects.toMatchObject({ code: "QUEUE_FULL" });
      });

      test("by several at once with one key is one", async () => {
        const others = await Promise.all(Array.from({ length: 3 }, () => open()));
        const all = await Promise.all(others.map((other) => other.submitMany(drafts(40), key)));
        expect(new Set(all.map(({ commands }) => ids(commands).join())).size).toBe(1);
        expect((await ledger.lane("em1", "jobs")).queue).toHaveLength(40);
      });

      test("that is refused, or meets an earlier one of its key, leaves nothing in the store", async () => {
        const written = new Set<string>();
        const watched = async () => {
          const under = await table.open();
          const transact = under.transact.bind(under);
          under.transact = (writes) => {
            for (const write of writes) if ("put" in write) written.add(write.put.pk);
            return transact(writes);
          };
          return new Ledger(under, { now: () => now, lanes: [EM, JOBS, NOTED] });
        };
        const left = async () => {
          const submissions = [...written].filter((pk) => pk.startsWith("submission#"));
          const items = await Promise.all(submissions.map((pk) => store.query({ pk, limit: 10 })));
          return items.flat().map(({ sk }) => sk);
        };
        const refused = (await watched()).submitMany(drafts(301));
        await expect(refused).rejects.toMatchObject({ code: "QUEUE_FULL" });
        expect(written.size).toBe(0);
        const others = await Promise.all(Array.from({ length: 3 }, () => watched()));
        await Promise.all(others.map((other) => other.submitMany(drafts(5), key)));
        expect(await left()).toEqual(["head"]);
        const racing = others.map((other) => other.submitMany(drafts(200)).catch(() => undefined));
        await Promise.all(racing);
        expect(await left()).toEqual(["head", "head"]);
      });

      test("brings its dialect's records", async () => {
        const records = ({ id }: Command) => [{ put: { pk: "numbers", sk: id, data: 1 } }];
        const { commands } = await ledger.submitMany([draft({ records }), draft({ records })]);
        const found = await Promise.all(ids(commands).map((sk) => store.get({ pk: "numbers", sk })));
        expect(found.map((item) => item?.data)).toEqual([1, 1]);
      });
    });

    describe("a submission that one transaction holds", () => {
      const key = { pk: "beside", sk: "1" };
      const beside = (rev: number) => [{ put: { ...key, data: "written" }, if: rev }];
      const records = ({ id }: Command) => [{ put: { pk: "numbers", sk: id, data: 1 } }];
      const drafts = (count: number) =>
        Array.from({ length: count }, (_, n) => draft({ input: { volume: "v", path: `f${n}` }, records }));

      test("is queued in order with what is written beside it", async () => {
        const commands = (await ledger.submitTogether(drafts(5), beside(0)))!;
        expect(commands.map(({ input }) => (input as { path: string }).path)).toEqual(
          Array.from({ length: 5 }, (_, n) => `f${n}`),
        );
        expect(ids((await ledger.lane("em1", "jobs")).queue)).toEqual(ids(commands));
        expect((await store.get(key))?.data).toBe("written");
        const found = await Promise.all(ids(commands).map((sk) => store.get({ pk: "numbers", sk })));
        expect(found.map((item) => item?.data)).toEqual([1, 1, 1, 1, 1]);
      });

      test("writes nothing where it does not fit, is refused, or comes behind a change", async () => {
        await ledger.submitMany(drafts(299));
        const before = ids((await ledger.lane("em1", "jobs")).queue);
        expect(await ledger.submitTogether(drafts(30), beside(0))).toBeUndefined();
        await expect(ledger.submitTogether(drafts(2), beside(0))).rejects.toMatchObject({
          code: "QUEUE_FULL",
        });
        await expect(ledger.submitTogether(drafts(1), beside(7))).rejects.toBeInstanceOf(ConditionFailed);
        expect(ids((await ledger.lane("em1", "jobs")).queue)).toEqual(before);
        expect(await store.get(key)).toBeUndefined();
      });

      test("by several at once on one condition is one", async () => {
        const others = await Promise.all(Array.from({ length: 3 }, () => open()));
        const all = await Promise.allSettled(
          others.map((other) => other.submitTogether(drafts(2), beside(0))),
        );
        expect(all.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
        expect((await ledger.lane("em1", "jobs")).queue).toHaveLength(2);
      });
    });

    describe("records of an end that no store takes", () => {
      let left: string[];
      const given = async (path: string) => {
        left = [];
        const endWithoutRecords = ({ id }: Command) => left.push(id);
        ledger = new Ledger(await table.open(), { now: () => now, lanes: [EM, BROKEN], endWithoutRecords });
        return submit({ lane: "broken", input: { volume: "v", path } });
      };
      const nothing = async () => {
        const { running, queue, ending } = await ledger.lane("em1", "broken");
        return [running, queue, ending].every((list) => list.length === 0);
      };

      test.each(FAULTS)(
        "%s: the agent's report ends the command without them, and says so once",
        async (path) => {
          const command = await given(path);
          await claim({ broken: 1 });
          expect((await report(command)).command).toMatchObject({ state: "succeeded" });
          expect([await ledger.command("alice", command.id), left]).toMatchObject([
            { state: "succeeded" },
            [command.id],
          ]);
          expect(await nothing()).toBe(true);
          expect(await store.query({ pk: "notes", limit: 100 })).toEqual([]);
        },
      );

      test.each(FAULTS)("%s: a cancel, a reset and a start with another journal end it too", async (path) => {
        const cancelled = await given(path);
        expect(await ledger.cancel("alice", cancelled.id)).toMatchObject({ state: "cancelled" });
        const input = { volume: "v", path };
        const reset = await submit({ lane: "broken", input });
        await claim({ broken: 1 });
        expect(await ledger.resetEdge("em1")).toMatchObject([{ id: reset.id, state: "failed" }]);
        const lost = await submit({ lane: "broken", input });
        await claim({ broken: 1 });
        await start("journal-2");
        expect(await ledger.command("alice", lost.id)).toMatchObject({ state: "failed" });
        expect(left).toEqual([cancelled.id, reset.id, lost.id]);
        expect(await nothing()).toBe(true);
      });

      test("a condition that holds at the next try is no fault", async () => {
        const command = await given("none");
        await claim({ broken: 1 });
        await report(command);
        expect([left, (await store.get({ pk: "notes", sk: command.id }))?.data]).toEqual([[], 1]);
      });
    });

    test("lanes of a dialect that is off keep what they have, and get no new commands", async () => {
      await many(2);
      await claim({ jobs: 1 });
      ledger = await open([EM]);
      await start();
      const { resumed, commands } = await claim({ jobs: 5, em: 1 });
      expect(ids(resumed)).toHaveLength(1);
      expect(commands).toEqual([]);
      expect((await report(resumed[0]!)).ended).toBe(true);
      expect([...(await ledger.edgeLanes("em1")).keys()]).toEqual(["em", "jobs"]);
      await expect(submit()).rejects.toThrow(/no lane jobs/);
    });
  });
}
