import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SQLInputValue, StatementResultingChanges } from "node:sqlite";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Budget } from "#agent/budget/budget.ts";
import { Journal } from "#agent/journal/journal.ts";
import { openStateDatabase } from "#agent/journal/state-database.ts";
import { ShuttingDown } from "#agent/operation.ts";
import type { LogChunk } from "#agent/pods/logs/log-pusher.ts";
import { PodManager } from "#agent/pods/pod-manager.ts";
import type { LogFrame, RunSpec, Started } from "#agent/pods/pod-runtime.ts";
import { Volumes } from "#agent/volumes/volumes.ts";
import type { ResultOf } from "#protocol/operations.ts";
import { FakeRuntime } from "#test/support/fake-runtime.ts";
import { TestCommand } from "#test/support/operation-context.ts";
import { Runtimes } from "../pods/runtimes.ts";
import { FailedSubmissions } from "./failed-submissions.ts";
import { runJob } from "./run-job.ts";

/** So often a job without files waits for the disk, for what is written to the database. */
const MOST_WAITS = 10;
const log = pino({ level: "silent" });
const TIME = "2026-11-27T07:00:00.000000000Z";

/** What a machine's engine holds over its lives: each container says a line and ends by itself. */
class Engine extends FakeRuntime {
  starts = 0;

  override async start(spec: RunSpec): Promise<Started> {
    this.starts++;
    const started = await super.start(spec);
    setTimeout(() => this.end(spec.run), 1);
    return started;
  }

  override async *logs(): AsyncGenerator<LogFrame> {
    yield { time: TIME, stream: "stdout", text: Buffer.from("said"), partial: false };
  }
}

let base: string;
let engine: Engine;
let chunks: LogChunk[];
let lives: number;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "perigee-power-cut-"));
  engine = new Engine();
  chunks = [];
  lives = 0;
});
afterEach(() => rmSync(base, { recursive: true }));

const directoryOf = (life: number) => join(base, `life-${life}`);
const FILES = ["agent.sqlite", "agent.sqlite-wal"];

/**
 * The state of a life's database. After every durable write a copy of its files is what a power cut leaves for the next
 * life; `cut` comes before the write with this number, and nothing is written after it.
 */
function openState(cutAt: number, cut: () => void) {
  const database = openStateDatabase(directoryOf(lives));
  const next = directoryOf(lives + 1);
  mkdirSync(next);
  let waits = 0;
  let counts = false;
  let isCut = false;
  const keep = () => {
    for (const name of FILES) {
      const from = join(directoryOf(lives), name);
      if (existsSync(from)) copyFileSync(from, join(next, name));
    }
  };
  keep();
  const prepare = database.prepare.bind(database);
  const exec = database.exec.bind(database);
  const synced = prepare("PRAGMA synchronous");
  const FULL = 2;
  const write = <T>(ends: boolean, work: () => T): T => {
    const durable = ends && synced.get()!.synchronous === FULL;
    if (durable && counts && ++waits === cutAt) {
      isCut = true;
      cut();
    }
    if (isCut) throw new Error("the power is cut");
    const result = work();
    if (durable) keep();
    return result;
  };
  database.prepare = (sql) => {
    const statement = prepare(sql);
    if (!/^\s*(INSERT|UPDATE|DELETE)/.test(sql)) return statement;
    const run = statement.run.bind(statement) as (...values: SQLInputValue[]) => StatementResultingChanges;
    statement.run = (...values: unknown[]) =>
      write(!database.isTransaction, () => run(...(values as SQLInputValue[])));
    return statement;
  };
  database.exec = (sql) => (sql === "COMMIT" ? write(true, () => exec(sql)) : exec(sql));
  const count = () => {
    counts = true;
  };
  return { database, count, waits: () => waits };
}

type Job = TestCommand<"job.run">;

function newJob(): Job {
  return new TestCommand(join(base, "staging"), "ann", "job.run", {
    ...{ space: "tests", pod: "job", image: "tool", inbox: "/inbox", outbox: "/outbox" },
    ...{ files: { count: 0, bytes: 0 }, envs: {}, submission: "s1", onFailure: "continue" },
  });
}

/** One life of an agent, which does the job as the loop does. @returns how it ended, if the power was not cut */
async function live(job: Job, cutAt = 0): Promise<{ result?: ResultOf<"job.run">; waits: number }> {
  const stopping = new AbortController();
  const stop = () => stopping.abort(new ShuttingDown("the power is cut"));
  const state = openState(cutAt, stop);
  const { database, waits } = state;
  const journal = new Journal(database);
  state.count();
  const cache = join(base, "hashes");
  const volumes = new Volumes({ root: join(base, "volumes"), database, cache, log, freeFloorBytes: 0 });
  const pods = new PodManager(
    {
      ...{ db: database, runtimes: new Runtimes(engine), resolveImage: async () => ({ id: "sha256:1" }) },
      push: async (chunk) => {
        if (!chunks.some(({ seq }) => seq === chunk.seq)) chunks.push(chunk);
        return "nobody";
      },
    },
    { retryMs: { first: 5, most: 5 }, logFlushMs: 5 },
  );
  const budget = new Budget({ known: async () => undefined, measure: async () => 0, quota: () => 2 ** 40 });
  const deps = { volumes, pods, budget, failures: new FailedSubmissions(database), log };
  try {
    pods.start();
    const told = journal.outcome(job.id);
    if (told) return { result: (told as { result: ResultOf<"job.run"> }).result, waits: waits() };
    const entry = journal.start(job, () => undefined);
    const handleCancel = () => new AbortController().signal;
    const result = await runJob(deps, { ...job.context(stopping.signal), handleCancel, journal: entry });
    journal.done(job.id, { state: "succeeded", result });
    journal.forget(job.id);
    expect([volumes.names("ann"), pods.kept(), journal.open()]).toEqual([[], [], []]);
    return { result, waits: waits() };
  } catch (error) {
    if (!stopping.signal.aborted) throw error;
    return { waits: waits() };
  } finally {
    await pods.close();
    await volumes.close();
    database.close();
    lives++;
  }
}

const DONE = { state: "done", reason: "Completed", exitCode: 0, content: { n: 0 } };

test("a job waits for the disk only where a power cut would change what becomes of it", async () => {
  const { result, waits } = await live(newJob());
  expect(result).toMatchObject(DONE);
  expect(waits).toBeGreaterThan(0);
  expect(waits).toBeLessThanOrEqual(MOST_WAITS);
});

test.each(Array.from({ length: MOST_WAITS }, (_, n) => n + 1))(
  "a power cut before its durable write %i: one container, one end, its line once",
  async (cutAt) => {
    const job = newJob();
    const first = await live(job, cutAt);
    const end = first.result ?? (await live(job)).result;
    expect(end).toMatchObject(DONE);
    expect(engine.starts).toBe(1);
    expect(chunks.map(({ seq, data }) => [seq, data.toString()])).toEqual([[0, `${TIME} said\n`]]);
  },
);
