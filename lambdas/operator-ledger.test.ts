import { expect, test } from "vitest";
import { laneDialect } from "#test/support/lane-dialect.ts";
import { temporaryStore } from "#test/support/temporary-store.ts";
import type { Dialect } from "./dialects/dialect.ts";
import { DIALECTS } from "./dialects/index.ts";
import { lanesOf } from "./dialects/lanes-of.ts";
import { OwnRecords } from "./dialects/own-records.ts";
import type { Command } from "./ledger/command.ts";
import { Ledger } from "./ledger/ledger.ts";
import { operatorLedger } from "./operator-ledger.ts";

const bounds = { queuePerEdge: 50, queuePerUser: 50 };
const jobs: Dialect = {
  ...laneDialect({ name: "jobs", width: 3, order: "round-robin", bounds }),
  onEnd: (_records, { user, id, state }: Command) => [{ put: { pk: user, sk: id, data: { state } } }],
};
const others = laneDialect({ name: "others", width: 1, order: "first-come", bounds });

test("a reset gives up what runs in every lane, with what its dialect writes, and leaves what waits", async () => {
  const { store } = await temporaryStore();
  const ground = new Ledger(store, { lanes: lanesOf([...DIALECTS, jobs, others], store) });
  const epoch = await ground.startAgent("em1", "journal", { version: "t", features: ["lanes"] });
  const submit = async (lane: string) =>
    (await ground.submit({ user: "ada", edge: "em1", lane, operation: "nodes.status", input: {} }, "queue"))
      .command.id;
  const running = [await submit("em"), await submit("jobs"), await submit("jobs"), await submit("others")];
  const { commands } = await ground.claimMany("em1", { epoch, turn: 1, room: { em: 1, jobs: 2, others: 1 } });
  expect(commands.map(({ id }) => id).sort()).toEqual([...running].sort());
  const waiting = [await submit("em"), await submit("jobs"), await submit("others")];

  // of `others` it knows what the edge's own records say
  const operator = operatorLedger(store, [...DIALECTS, jobs]);
  const ended = await operator.resetEdge("em1");
  expect(ended.map(({ id }) => id).sort()).toEqual([...running].sort());
  for (const id of running) {
    expect(await ground.command("ada", id)).toMatchObject({
      state: "failed",
      failure: { code: "INTERRUPTED" },
    });
  }
  const records = await new OwnRecords(store, "jobs").query<{ state: string }>({ pk: "ada", limit: 10 });
  expect(records.map(({ sk, data }) => [sk, data.state])).toEqual(
    [running[1], running[2]].sort().map((id) => [id, "failed"]),
  );
  expect(await operator.resetEdge("em1")).toEqual([]);

  for (const id of waiting) expect((await ground.command("ada", id)).state).toBe("queued");
  const next = await ground.claimMany("em1", { epoch, turn: 2, room: { em: 1, jobs: 1, others: 1 } });
  expect(next.commands.map(({ id }) => id).sort()).toEqual([...waiting].sort());
});
