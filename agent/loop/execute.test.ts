import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { PerigeeError } from "#protocol/errors.ts";
import type { ClaimedCommand } from "#protocol/wire.ts";
import { GroundClient, GroundUnavailable } from "../ground/ground-client.ts";
import { GroundSession } from "../ground/ground-session.ts";
import { Link } from "../ground/link.ts";
import { Journal } from "../journal/journal.ts";
import { openStateDatabase } from "../journal/state-database.ts";
import { type OperationHandler, type OperationHandlers, ShuttingDown } from "../operation.ts";
import { OutgoingStore } from "../transfers/outgoing-store.ts";
import { execute } from "./execute.ts";

/** What becomes of one command; the operation is the test's, the ground is never asked. */
describe("execute", () => {
  let directory: string;
  let database: DatabaseSync;
  let journal: Journal;
  let outgoing: OutgoingStore;
  const session = new GroundSession(new GroundClient({ url: "http://127.0.0.1:9", token: "t" }));
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "perigee-execute-"));
    database = openStateDatabase(directory);
    journal = new Journal(database);
    outgoing = new OutgoingStore(database, join(directory, "outgoing"));
  });
  afterEach(() => {
    database.close();
    rmSync(directory, { recursive: true });
  });

  const deletion = (over: Partial<ClaimedCommand> = {}): ClaimedCommand => ({
    id: "01KAH8ZJ5Q4W6T8Y0B2C4D6E8F",
    user: "alice",
    operation: "volume.delete",
    input: { volume: "default", path: "x" },
    attempts: 1,
    deadline: 60,
    cancelRequested: false,
    hasFiles: false,
    ...over,
  });
  const run = (handler: OperationHandler<"volume.delete">, command = deletion()) =>
    execute(
      {
        session,
        journal,
        outgoing,
        handlers: { "volume.delete": handler } as OperationHandlers,
        log: pino({ level: "silent" }),
      },
      command,
    );
  const untilAborted: OperationHandler<"volume.delete"> = ({ signal }) =>
    new Promise((_, reject) => {
      if (signal.aborted) reject(signal.reason);
      signal.addEventListener("abort", () => reject(signal.reason));
    });

  test("what succeeded is in the journal, and a redelivery is answered from it", async () => {
    let ran = 0;
    const handler = async () => {
      ran += 1;
      return {};
    };
    expect(await run(handler).outcome).toEqual({ state: "succeeded", result: {} });
    expect(await run(handler, deletion({ attempts: 2 })).outcome).toEqual({ state: "succeeded", result: {} });
    expect(ran).toBe(1);
  });

  test("what is done is noted as soon as the disk has room for it, and is not done again", async () => {
    let full = 2;
    class FullJournal extends Journal {
      override done(...note: Parameters<Journal["done"]>): void {
        if (full-- > 0) throw Object.assign(new Error("database or disk is full"), { errcode: 13 });
        super.done(...note);
      }
    }
    journal = new FullJournal(database);
    expect(await run(async () => ({})).outcome).toEqual({ state: "succeeded", result: {} });
    expect(journal.outcome(deletion().id)).toEqual({ state: "succeeded", result: {} });
    expect(full).toBe(-1);
  });

  test("what follows from its end is noted together with it, and again as long as there is no room", async () => {
    const noted = () => database.prepare("SELECT count(*) AS n FROM failed_submissions").get()!.n;
    let full = 2;
    const ended = () => {
      database.exec("INSERT INTO failed_submissions (user, space, submission) VALUES ('ann', 's', 'x')");
      expect(journal.outcome(deletion().id)).toEqual({ state: "succeeded", result: {} });
      if (full-- > 0) throw Object.assign(new Error("database or disk is full"), { errcode: 13 });
    };
    const handlers = { "volume.delete": async () => ({}) } as unknown as OperationHandlers;
    const parts = { session, journal, outgoing, handlers, ended, log: pino({ level: "silent" }) };
    expect(await execute(parts, deletion()).outcome).toEqual({ state: "succeeded", result: {} });
    expect([full, noted()]).toEqual([-1, 1]);
  });

  test("a full disk does not end what is past its commit: it goes on once it can be noted", async () => {
    journal.start(deletion(), () => {}).note("commit");
    let full = 2;
    class FullJournal extends Journal {
      override start(...of: Parameters<Journal["start"]>) {
        if (full-- > 0) throw Object.assign(new Error("database or disk is full"), { errcode: 13 });
        return super.start(...of);
      }
    }
    journal = new FullJournal(database);
    const running = run(async () => ({}));
    running.cancel();
    expect(await running.outcome).toEqual({ state: "succeeded", result: {} });
    expect(full).toBe(-1);
  });

  test("an epoch that the ground refuses is no end of a command: a later one goes on with it", async () => {
    const refusal = new PerigeeError("STALE_EPOCH", "a newer agent serves the edge");
    const refusing = new GroundSession({
      link: new Link(),
      transfer: () => Promise.reject(refusal),
    } as unknown as ConstructorParameters<typeof GroundSession>[0]);
    const handler: OperationHandler<"volume.delete"> = async ({ journal: entry, store }) => {
      entry.note("packed");
      return (await store(0, Buffer.from("x"), 10)) as never;
    };
    const handlers = { "volume.delete": handler } as OperationHandlers;
    const parts = { session: refusing, journal, outgoing, handlers, log: pino({ level: "silent" }) };
    const superseded: unknown[] = [];
    const { outcome } = execute(parts, deletion(), { superseded: (error) => superseded.push(error) });
    await expect(outcome).rejects.toBeInstanceOf(ShuttingDown);
    expect(superseded).toMatchObject([{ name: "Superseded", cause: refusal }]);
    const { outcome: none, steps, deaths } = journal.earlier(deletion());
    expect([none, steps, deaths]).toEqual([undefined, ["packed"], 0]);
  });

  test("any other error of the journal is the agent's end", async () => {
    class BrokenJournal extends Journal {
      override done(): void {
        throw Object.assign(new Error("disk I/O error"), { errcode: 10 });
      }
    }
    journal = new BrokenJournal(database);
    await expect(run(async () => ({})).outcome).rejects.toThrow("disk I/O error");
  });

  test("what follows from a change may fail: the command has succeeded", async () => {
    const changed = () => {
      throw new Error("no usage");
    };
    const handlers = { "volume.delete": async () => ({}) } as unknown as OperationHandlers;
    const parts = { session, journal, outgoing, handlers, changed, log: pino({ level: "silent" }) };
    expect(await execute(parts, deletion()).outcome).toEqual({ state: "succeeded", result: {} });
  });

  test("on a full disk nothing is begun that could not be noted; with room it goes on", async () => {
    const { page_count } = database.prepare("PRAGMA page_count").get()!;
    database.exec(`PRAGMA max_page_count = ${page_count}`);
    let ran = false;
    const handler = async () => {
      ran = true;
      return {};
    };
    // more than the pages that migrations left free, so that it needs new ones
    const long = deletion({ user: "a".repeat(200_000) });
    expect(await run(handler, long).outcome).toMatchObject({ failure: { code: "STORAGE_FULL" } });
    expect(ran).toBe(false);
    database.exec("PRAGMA max_page_count = 1000000");
    expect(await run(handler, long).outcome).toMatchObject({ state: "succeeded" });
    expect(ran).toBe(true);
  });

  test("a failure tells its code; an unknown one tells nothing", async () => {
    const missing = await run(async () => {
      throw new PerigeeError("DELETE_FAILED", "nothing there", { data: { a: 1 } });
    }).outcome;
    expect(missing).toEqual({
      state: "failed",
      failure: { code: "DELETE_FAILED", message: "nothing there", data: { a: 1 } },
    });
    const unknown = await run(
      async () => {
        throw new Error("secret");
      },
      deletion({ id: "01KAH8ZJ5Q4W6T8Y0B2C4D6E8G" }),
    ).outcome;
    expect(unknown).toEqual({
      state: "failed",
      failure: { code: "INTERNAL_ERROR", message: "Internal error" },
    });
  });

  test("an operation of a newer ground fails, and is not written down", async () => {
    const newer = deletion({ operation: "volume.polish", input: { anything: 1 } });
    expect(await run(async () => ({}), newer).outcome).toEqual({
      state: "failed",
      failure: {
        code: "UNSUPPORTED_OPERATION",
        message: "The edge's agent does not know the operation volume.polish",
      },
    });
    expect(journal.open()).toEqual([]);
  });

  test("input that is not the operation's shape never reaches it", async () => {
    const outcome = await run(async () => ({}), deletion({ input: { volume: "../up", path: "x" } })).outcome;
    expect(outcome).toMatchObject({ state: "failed", failure: { code: "INTERNAL_ERROR" } });
  });

  test("a cancel stops it; after `commit` it comes too late, also when it was redelivered", async () => {
    const stopped = run(untilAborted);
    stopped.cancel();
    expect(await stopped.outcome).toEqual({ state: "cancelled" });

    const late = deletion({ id: "01KAH8ZJ5Q4W6T8Y0B2C4D6E8H" });
    const go = Promise.withResolvers<void>();
    const handler: OperationHandler<"volume.delete"> = async ({ journal: entry, signal }) => {
      if (entry.notes.length === 0) entry.note("commit");
      await go.promise;
      signal.throwIfAborted();
      return {};
    };
    const first = run(handler, late);
    first.cancel();
    const again = run(handler, { ...late, attempts: 2, cancelRequested: true });
    go.resolve();
    expect(await first.outcome).toMatchObject({ state: "succeeded" });
    expect(await again.outcome).toMatchObject({ state: "succeeded" });
  });

  test("a pending cancel ends what has not begun", async () => {
    const running = run(untilAborted, deletion({ cancelRequested: true }));
    expect(await running.outcome).toEqual({ state: "cancelled" });
  });

  test("the deadline fails it", async () => {
    const outcome = await run(untilAborted, deletion({ deadline: 0.01 })).outcome;
    expect(outcome).toMatchObject({ state: "failed", failure: { code: "DEADLINE_EXCEEDED" } });
  });

  test("a shutdown leaves it without an outcome, for the next start", async () => {
    const running = run(untilAborted);
    running.shutDown();
    await expect(running.outcome).rejects.toBeInstanceOf(ShuttingDown);
    expect(journal.open()).toMatchObject([{ outcome: undefined }]);
  });

  /** As if the process had died so often under the command. */
  const died = (command: ClaimedCommand, times: number) => {
    journal.start(command, () => {});
    database.prepare("UPDATE journal SET deaths = ?, steps = NULL WHERE command = ?").run(times, command.id);
  };

  test("begun too often it is given up, unless it is past its commit", async () => {
    let ran = 0;
    const handler = async () => {
      ran += 1;
      return {};
    };
    died(deletion(), 10);
    expect(await run(handler, deletion({ attempts: 11 })).outcome).toMatchObject({
      failure: { code: "INTERRUPTED" },
    });
    const committed = deletion({ id: "01KAH8ZJ5Q4W6T8Y0B2C4D6E8J", attempts: 11 });
    died(committed, 10);
    journal.start(committed, () => {}).note("commit");
    expect(await run(handler, committed).outcome).toMatchObject({ state: "succeeded" });
    expect(ran).toBe(1);
  });

  test("claims alone do not give it up: it may only have waited", async () => {
    const outcome = run(async () => ({}), deletion({ attempts: 40 })).outcome;
    expect(await outcome).toMatchObject({ state: "succeeded" });
  });

  test("an operation that handles cancels ends as it says, also after its commit", async () => {
    const handler: OperationHandler<"volume.delete"> = async ({ journal: entry, handleCancel, signal }) => {
      const cancelled = handleCancel();
      if (entry.notes.length === 0) entry.note("commit");
      await new Promise<void>((end) => {
        cancelled.addEventListener("abort", () => end());
        if (cancelled.aborted) end();
      });
      signal.throwIfAborted();
      return {};
    };
    const running = run(handler);
    running.cancel();
    expect(await running.outcome).toEqual({ state: "succeeded", result: {} });

    // one that was asked for before the agent died counts when the operation comes to it
    const again = deletion({ id: "01KAH8ZJ5Q4W6T8Y0B2C4D6E8K", cancelRequested: true });
    journal.start(again, () => {}).note("commit");
    expect(await run(handler, again).outcome).toEqual({ state: "succeeded", result: {} });
  });

  test("what only reads is done again when the ground went away under it", async () => {
    let tries = 0;
    const read = execute(
      {
        session,
        journal,
        outgoing,
        handlers: {
          "nodes.status": async () => {
            tries += 1;
            if (tries === 1) throw new GroundUnavailable("cut");
            return { nodes: [] };
          },
        } as unknown as OperationHandlers,
        log: pino({ level: "silent" }),
      },
      deletion({ operation: "nodes.status", input: {} }),
    );
    expect(await read.outcome).toEqual({ state: "succeeded", result: { nodes: [] } });
    expect([tries, journal.open()]).toEqual([2, []]);
  });
});
