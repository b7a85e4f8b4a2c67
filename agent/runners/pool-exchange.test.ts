import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test } from "vitest";
import { LIMITS } from "#protocol/limits.ts";
import type { PoolRequest, PoolResponse } from "#protocol/pool-wire.ts";
import { PoolExchange } from "./pool-exchange.ts";
import { RunnerBook } from "./runner-book.ts";
import type { RunnerKeeper } from "./runner-keeper.ts";
import { RunnerStore } from "./runner-store.ts";

const idOf = (n: number) => `1-00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;

/** An exchange whose ground is the test's. */
function exchangeWith(tellPools: (request: Omit<PoolRequest, "epoch">) => Promise<PoolResponse>) {
  const database = new DatabaseSync(":memory:");
  const book = new RunnerBook(new RunnerStore(database));
  const keeper = {
    withdrawn: new Set(),
    reasons: () => new Map(),
    demand() {},
    want() {},
  } as unknown as RunnerKeeper;
  const exchange = new PoolExchange(
    {
      book,
      keeper,
      ground: { wantedPools: async () => ({ pools: -1, environments: [] }), tellPools },
      handedOut() {},
      changed() {},
      onError() {},
      now: Date.now,
    },
    { paceMs: 0 },
  );
  onTestFinished(async () => {
    await exchange.close();
    database.close();
  });
  /** One that was idle, or handed out, and whose container is gone. */
  const ended = (n: number, { handedOut = false } = {}) => {
    const record = {
      id: idOf(n),
      user: "u",
      generation: 1,
      state: "starting" as const,
      image: "i",
      ports: [],
    };
    book.add(record);
    book.change(record, { state: "idle" });
    if (handedOut) book.change(record, { state: "used", activeAt: 1 });
    book.end(record, "lost");
    book.change(record, { removed: true });
  };
  return { book, exchange, ended };
}

test("what happened in weeks without contact is told in pieces", async () => {
  const most = LIMITS.runnerReports;
  const told: Omit<PoolRequest, "epoch">[] = [];
  const { book, exchange, ended } = exchangeWith(async (request) => {
    told.push(request);
    return { pools: -1, demand: [] };
  });
  for (let n = 0; n < most + 9; n++) ended(n, { handedOut: true });
  exchange.connected(true);
  await expect.poll(() => book.all().length).toBe(0);
  expect(told.map(({ changed }) => changed.length)).toEqual([most, 9]);
  expect(told[0]!.list!.length).toBeLessThanOrEqual(most);
});

test("of runners that end while nothing can be told none is kept, and the ground then gets the full list", async () => {
  const told: Omit<PoolRequest, "epoch">[] = [];
  let away = true;
  const { book, exchange, ended } = exchangeWith(async (request) => {
    told.push(request);
    if (away) throw new Error("away");
    return { pools: -1, demand: [] };
  });
  for (let n = 0; n < 10; n++) {
    ended(n);
    exchange.soon();
    expect(book.all()).toEqual([]);
  }
  exchange.connected(true);
  await expect.poll(() => told.length).toBe(1);
  ended(10);
  ended(11, { handedOut: true });
  exchange.soon();
  await expect.poll(() => book.all().map(({ id }) => id)).toEqual([idOf(11)]);
  away = false;
  await expect.poll(() => book.all()).toEqual([]);
  const { changed, list } = told.at(-1)!;
  expect([changed.map(({ id }) => id), list?.map(({ id }) => id)]).toEqual([[idOf(11)], [idOf(11)]]);
});

test("what was told while the runner lived is told at its end too", async () => {
  const told: Omit<PoolRequest, "epoch">[] = [];
  const { book, exchange } = exchangeWith(async (request) => {
    told.push(request);
    return { pools: -1, demand: [] };
  });
  const record = { id: idOf(1), user: "u", generation: 1, state: "idle" as const, image: "i", ports: [] };
  book.add(record);
  exchange.connected(true);
  await expect.poll(() => told.length).toBe(1);
  book.end(record, "exited");
  book.change(record, { removed: true });
  exchange.soon();
  await expect.poll(() => book.all()).toEqual([]);
  expect(told.at(-1)!.changed).toMatchObject([{ id: idOf(1), state: "gone", end: "exited" }]);
});
