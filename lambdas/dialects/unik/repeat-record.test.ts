import { pino } from "pino";
import { expect, test } from "vitest";
import { MemoryStore, MemoryTable } from "#test/support/memory-store.ts";
import { OwnRecords } from "../own-records.ts";
import { RepeatOf } from "./repeat-record.ts";

const owner = { user: "ada", uid: "u", edge: "em1" };
let calls = 0;

/** Calls of several processes at one store. */
function world() {
  let now = 1_000_000;
  const store = new MemoryStore(new MemoryTable());
  const records = new OwnRecords(store, "unik");
  const ended = new Map<string, number>();
  const core = {
    records,
    commands: { command: async (_: string, id: string) => ({ id, endedAt: ended.get(id) }) },
    now: () => now,
    log: pino({ level: "silent" }),
  };
  const call = (by: string, { digest = "d", isBlind = false, quietMs = 300 } = {}) =>
    new RepeatOf({
      ...{ core: core as never, owner, object: "o", digest, by, call: String(calls++), isBlind, quietMs },
    });
  return {
    call,
    /** what the store was asked */
    calls: store.calls,
    async submitted(by: string, command: string, isBlind = false) {
      const one = call(by, { isBlind });
      expect(await one.earlier()).toBeUndefined();
      await records.transact([one.write(command)]);
      one.written();
      return one;
    },
    ends: (command: string) => ended.set(command, now),
    later(ms: number) {
      now += ms;
    },
  };
}

test("a call that was cut is repeated by another process; once its answer was got, the next is another", async () => {
  const { submitted, call } = world();
  (await submitted("p1", "c1")).closed(false);
  const again = call("p2");
  expect(await again.earlier()).toMatchObject({ command: "c1" });
  again.closed(true);
  expect(await call("p3").earlier()).toBeUndefined();
  expect(await call("p1").earlier()).toBeUndefined();
});

test("a call costs one read, one write beside its own, and one request when its answer was got", async () => {
  const { submitted, calls } = world();
  (await submitted("p1", "c1")).closed(true);
  const asked = () => calls.map((call) => call.split(" ")[0]);
  await expect.poll(asked).toEqual(["get", "transact", "transact"]);
});

test("a call of a process that has died is repeated, one that is answered meanwhile is not", async () => {
  const { submitted, call } = world();
  const open = await submitted("p1", "c1");
  const waiting = call("p2", { quietMs: 3_600_000 }).earlier();
  open.closed(true);
  expect(await waiting).toBeUndefined();
  await submitted("p1", "c2");
  expect(await call("p2").earlier()).toMatchObject({ command: "c2" });
});

test("of two processes one takes it over, and tells the other that it was answered", async () => {
  const { submitted, call } = world();
  (await submitted("p1", "c1")).closed(false);
  const [two, three] = [call("p2"), call("p3", { quietMs: 3_600_000 })];
  expect(await two.earlier()).toMatchObject({ command: "c1" });
  const waiting = three.earlier();
  two.closed(true);
  expect(await waiting).toBeUndefined();
});

test("not after a minute, nor of another request, nor when another call came in between", async () => {
  const { submitted, call, later } = world();
  const first = await submitted("p1", "c1");
  first.closed(false);
  expect(await first.isLast()).toBe(true);
  expect(await call("p2", { digest: "other" }).earlier()).toBeUndefined();
  later(60_001);
  expect(await call("p2").earlier()).toBeUndefined();
  await submitted("p2", "c2");
  expect(await first.isLast()).toBe(false);
});

test("one that was cut before it was written is one that was cut", async () => {
  const { call } = world();
  const one = call("p1");
  one.closed(false);
  expect(await one.earlier()).toBeUndefined();
});

test("where nobody can tell whether an answer was got: while the command runs, and five seconds after", async () => {
  const { submitted, call, later, ends } = world();
  await submitted("p1", "c1", true);
  later(600_000);
  expect(await call("p1", { isBlind: true }).earlier()).toMatchObject({ command: "c1" });
  ends("c1");
  later(5_000);
  expect(await call("p2", { isBlind: true }).earlier()).toMatchObject({ command: "c1" });
  later(1);
  expect(await call("p2", { isBlind: true }).earlier()).toBeUndefined();
});
