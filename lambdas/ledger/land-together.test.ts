import { expect, test } from "vitest";
import { MemoryTable } from "#test/support/memory-store.ts";
import { ConditionFailed, type LedgerStore, type Write } from "../ports/ledger-store.ts";
import { Ledger } from "./ledger.ts";

const bounds = { queuePerEdge: 60, queuePerUser: 60 };
const LANES = [
  { name: "em", width: 1, order: "first-come" as const, bounds },
  { name: "wide", width: 8, order: "round-robin" as const, bounds },
];
const DRAFT = { edge: "em1", lane: "wide", operation: "nodes.status", input: {} } as const;
const SUCCEEDED = { state: "succeeded", result: { nodes: [] } } as const;

async function world(wrap = (store: LedgerStore) => store) {
  const store = new MemoryTable().open();
  const ledger = new Ledger(wrap(store), { lanes: LANES });
  const epoch = await ledger.startAgent("em1", "j", { version: "0.3.0" });
  await ledger.heartbeat("em1", { epoch, nodes: [], usage: {}, free: 1 });
  /** so many commands, submitted at once */
  const submit = (count: number) =>
    Promise.all(Array.from({ length: count }, (_, n) => ledger.submit({ ...DRAFT, user: `u${n}` }, "queue")));
  const claim = async (room: number) =>
    (await ledger.claimMany("em1", { epoch, room: { wide: room }, turn: 1 })).commands;
  const transactions = () => store.calls.splice(0).filter((call) => call.startsWith("transact"));
  transactions();
  return { ledger, epoch, submit, claim, transactions };
}

test("changes that wait for a lane share a transaction, and each lane record holds all of them", async () => {
  const { ledger, epoch, submit, claim, transactions } = await world();
  await submit(8);
  // the first one finds nobody to wait for
  expect(transactions()).toHaveLength(2);
  expect((await ledger.lane("em1", "wide")).queue.map(({ user }) => user)).toEqual(
    Array.from({ length: 8 }, (_, n) => `u${n}`),
  );
  const running = await claim(8);
  transactions();
  const ends = await Promise.all(
    running.map(({ id, user }) =>
      ledger.finish({ edge: "em1", lane: "wide", epoch, user, id }, async () => SUCCEEDED),
    ),
  );
  expect(transactions()).toHaveLength(2);
  expect(ends.map(({ ended }) => ended)).toEqual(Array.from({ length: 8 }, () => true));
  expect((await ledger.lane("em1", "wide")).running).toEqual([]);
});

test("more than a transaction takes go in several", async () => {
  const { ledger, submit, transactions } = await world();
  await submit(50);
  expect(transactions()).toHaveLength(4);
  expect((await ledger.lane("em1", "wide")).queue).toHaveLength(50);
});

test("two calls with one Idempotency-Key make one command, and an end that is told twice ends once", async () => {
  const { ledger, epoch, submit, claim } = await world();
  const idempotency = { key: "k", route: "r", digest: "d" };
  const draft = { ...DRAFT, user: "ann", idempotency };
  const [, first, second] = await Promise.all([
    submit(1),
    ledger.submit(draft, "queue"),
    ledger.submit(draft, "queue"),
  ]);
  expect(second).toMatchObject({ command: { id: first.command.id }, replayed: true });
  const [one, other] = await claim(2);
  const report = ({ id, user }: { id: string; user: string }) =>
    ledger.finish({ edge: "em1", lane: "wide", epoch, user, id }, async () => SUCCEEDED);
  const ends = await Promise.all([report(one!), report(other!), report(other!)]);
  expect(ends.map(({ ended }) => ended)).toEqual([true, true, false]);
});

test.each(["refused", "unknown"] as const)("a transaction of several that was %s", async (how) => {
  let broken = 0;
  const error = how === "refused" ? new ConditionFailed(0) : new Error("the connection was cut");
  const wrap = (store: LedgerStore): LedgerStore =>
    Object.assign(Object.create(store) as LedgerStore, {
      get: store.get.bind(store),
      query: store.query.bind(store),
      async transact(writes: Write[]) {
        if (writes.length > 3 && broken++ === 0) throw error;
        await store.transact(writes);
      },
    });
  const { ledger, submit } = await world(wrap);
  const all = await Promise.allSettled([submit(1), submit(4)]);
  const { queue } = await ledger.lane("em1", "wide");
  expect(broken).toBeGreaterThan(0);
  if (how === "refused") {
    // made again one by one, each once
    expect(all.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled"]);
    expect(queue).toHaveLength(5);
  } else {
    // it may have landed: made once more, commands would be there twice
    expect(all[1]).toMatchObject({ status: "rejected", reason: error });
    expect(queue).toHaveLength(1);
  }
});

test("a call that finds no place since another one of its transaction took it is refused", async () => {
  const { ledger } = await world();
  const em = { ...DRAFT, lane: "em", user: "ann" };
  const calls = Array.from({ length: 4 }, () => ledger.submit(em, "place"));
  const ends = await Promise.allSettled(calls);
  expect(ends.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected", "rejected"]);
  expect(ends[3]).toMatchObject({ reason: { code: "LOCKED" } });
});
