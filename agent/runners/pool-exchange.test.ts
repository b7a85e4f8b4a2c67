import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { LIMITS } from "#protocol/limits.ts";
import type { PoolRequest } from "#protocol/pool-wire.ts";
import { PoolExchange } from "./pool-exchange.ts";
import { RunnerBook } from "./runner-book.ts";
import type { RunnerKeeper } from "./runner-keeper.ts";
import { RunnerStore } from "./runner-store.ts";

test("what happened in weeks without contact is told in pieces, and of what never was idle nothing", async () => {
  const book = new RunnerBook(new RunnerStore(new DatabaseSync(":memory:")));
  const most = LIMITS.runnerReports;
  for (let n = 0; n < most + 10; n++) {
    const id = `1-00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
    const record = { id, user: "u", generation: 1, state: "starting" as const, image: "i", ports: [] };
    book.add(record);
    const isIdle = n > 0;
    if (isIdle) book.change(record, { state: "idle" });
    book.end(record, "lost");
    book.change(record, { removed: true });
  }
  const told: Omit<PoolRequest, "epoch">[] = [];
  const exchange = new PoolExchange(
    {
      book,
      keeper: {
        withdrawn: new Set(),
        reasons: () => new Map(),
        demand() {},
        want() {},
      } as unknown as RunnerKeeper,
      ground: {
        wantedPools: async () => ({ pools: -1, environments: [] }),
        async tellPools(request) {
          told.push(request);
          return { pools: -1, demand: [] };
        },
      },
      handedOut() {},
      changed: () => {
        if (told.length === 2) done.resolve();
      },
      onError: (error) => done.reject(error),
      now: Date.now,
    },
    { paceMs: 0 },
  );
  const done = Promise.withResolvers<void>();
  exchange.connected(true);
  await done.promise;
  await exchange.close();
  expect(told.map(({ changed }) => changed.length)).toEqual([most, 9]);
  expect(told[0]!.list!.length).toBeLessThanOrEqual(most);
  expect(book.all().map(({ unheard }) => unheard)).toEqual([true]);
});
