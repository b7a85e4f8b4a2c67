import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ClaimedCommand, Outcome } from "#protocol/wire.ts";
import { command } from "#test/support/scripted-ground.ts";
import { Backoff } from "../backoff.ts";
import { GroundClient } from "../ground/ground-client.ts";
import { GroundSession } from "../ground/ground-session.ts";
import { Journal } from "../journal/journal.ts";
import { openStateDatabase } from "../journal/state-database.ts";
import type { OperationHandlers } from "../operation.ts";
import { OutgoingStore } from "../transfers/outgoing-store.ts";
import type { Report } from "./reporter.ts";
import { RunningSet, type RunningSetDeps } from "./running-set.ts";

let directory: string;
let database: DatabaseSync;
let journal: Journal;
let reports: Report[];
let dropped: string[];
let failures: unknown[];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "perigee-set-"));
  database = openStateDatabase(directory);
  journal = new Journal(database);
  [reports, dropped, failures] = [[], [], []];
});
afterEach(() => {
  vi.restoreAllMocks();
  database.close();
  rmSync(directory, { recursive: true });
});

const open = Promise.withResolvers<void>();
function setOf(over: Partial<RunningSetDeps> = {}): RunningSet {
  return new RunningSet({
    session: new GroundSession(new GroundClient({ url: "http://127.0.0.1:9", token: "t" })),
    journal,
    outgoing: new OutgoingStore(database, join(directory, "outgoing")),
    handlers: { "volume.delete": () => open.promise } as unknown as OperationHandlers,
    log: pino({ level: "silent" }),
    report: (report) => reports.push(report),
    dropped: ({ id }) => dropped.push(id),
    failed: (error) => failures.push(error),
    ...over,
  });
}
const claimed = (over: Partial<ClaimedCommand> = {}): ClaimedCommand => ({
  ...command({ lane: "jobs", volume: "v" }),
  ...over,
});

test("one that is cancelled before this life has begun it is dropped, and told as cancelled", () => {
  const set = setOf();
  const early = claimed({ cancelRequested: true });
  const [first, behind] = [claimed(), claimed()];
  set.take([early, first, behind]);
  expect(dropped).toEqual([early.id]);
  set.cancel(behind.id);
  set.cancel(behind.id);
  set.cancel(first.id);
  expect(dropped).toEqual([early.id, behind.id]);
  expect(reports.map(({ id, outcome }) => [id, outcome.state])).toEqual([
    [early.id, "cancelled"],
    [behind.id, "cancelled"],
  ]);
});

test("what follows from its end is noted before the ground is told, however long there is no room", async () => {
  const wait = vi.spyOn(Backoff.prototype, "wait").mockResolvedValue();
  const told = Promise.withResolvers<void>();
  const ended: Outcome[] = [];
  const set = setOf({
    ended(_, outcome) {
      expect(reports).toEqual([]);
      if (ended.push(outcome) <= 3) throw Object.assign(new Error("full"), { errcode: 13 });
    },
    report(report) {
      reports.push(report);
      told.resolve();
    },
  });
  set.take([claimed({ cancelRequested: true })]);
  expect(dropped).toEqual([]);
  await told.promise;
  expect(ended).toHaveLength(4);
  expect(wait).toHaveBeenCalledTimes(3);
  expect([reports.length, dropped.length, failures.length]).toEqual([1, 1, 0]);
});

test("what cannot be noted for another reason is the agent's end", () => {
  const broken = new Error("disk I/O error");
  const set = setOf({
    ended: () => {
      throw broken;
    },
  });
  set.take([claimed({ cancelRequested: true })]);
  expect(failures).toEqual([broken]);
  expect(reports).toEqual([]);
});

test("one whose end waits for room gets no turn meanwhile", async () => {
  const room = Promise.withResolvers<void>();
  vi.spyOn(Backoff.prototype, "wait").mockReturnValue(room.promise);
  const first = Promise.withResolvers<object>();
  const told = Promise.withResolvers<void>();
  const begun: string[] = [];
  let full = false;
  const set = setOf({
    handlers: {
      "volume.delete": async (context: { command: { id: string } }) => {
        begun.push(context.command.id);
        return first.promise;
      },
    } as unknown as OperationHandlers,
    ended() {
      if (full) throw Object.assign(new Error("full"), { errcode: 13 });
    },
    report(report) {
      if (reports.push(report) === 2) told.resolve();
    },
  });
  const [ahead, behind] = [claimed(), claimed()];
  set.take([ahead, behind]);
  full = true;
  set.cancel(behind.id);
  full = false;
  first.resolve({});
  await vi.waitFor(() => expect(reports).toHaveLength(1));
  room.resolve();
  await told.promise;
  expect(begun).toEqual([ahead.id]);
  expect(reports.map(({ id, outcome }) => [id, outcome.state])).toEqual([
    [ahead.id, "succeeded"],
    [behind.id, "cancelled"],
  ]);
});
