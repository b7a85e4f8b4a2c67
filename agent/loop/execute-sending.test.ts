import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { OPERATIONS } from "#protocol/operations.ts";
import type { ClaimedCommand } from "#protocol/wire.ts";
import { type GroundPort, GroundUnavailable } from "../ground/ground-client.ts";
import { GroundSession } from "../ground/ground-session.ts";
import { Link } from "../ground/link.ts";
import { Journal } from "../journal/journal.ts";
import { openStateDatabase } from "../journal/state-database.ts";
import type { OperationHandler, OperationHandlers } from "../operation.ts";
import { OutgoingStore } from "../transfers/outgoing-store.ts";
import { execute } from "./execute.ts";

const { deadline } = OPERATIONS["volume.read"];
const WINDOW_GAP_MS = 82 * 60_000;

let directory: string;
let database: DatabaseSync;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "perigee-sending-"));
  database = openStateDatabase(directory);
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
  database.close();
  rmSync(directory, { recursive: true });
});

const command: ClaimedCommand = {
  id: "01KAH8ZJ5Q4W6T8Y0B2C4D6E8F",
  user: "alice",
  operation: "volume.read",
  input: { volume: "default", path: "x" },
  attempts: 1,
  deadline,
  cancelRequested: false,
  hasFiles: false,
};

function run(put: () => Promise<void>, handler: OperationHandler<"volume.read">) {
  const whole = { url: "/object", headers: {} };
  const ground = { link: new Link(), transfer: async () => ({ whole }), put } as unknown as GroundPort;
  const handlers = { "volume.read": handler } as OperationHandlers;
  const outgoing = new OutgoingStore(database, join(directory, "outgoing"));
  const journal = new Journal(database);
  const log = pino({ level: "silent" });
  return execute({ session: new GroundSession(ground), journal, outgoing, handlers, log }, command);
}

const read: OperationHandler<"volume.read"> = async ({ store }) => {
  const content = await store(0, Buffer.from("content"), 100);
  return { kind: "file", name: "x", total: 7, etag: '"e"', modified: 0, content };
};

test("what is sent over many contact windows is not ended by the deadline", async () => {
  const windows = 7;
  let sent = 0;
  const { outcome } = run(async () => {
    vi.advanceTimersByTime(WINDOW_GAP_MS);
    if (++sent < 4) throw new GroundUnavailable("out of contact");
    for (; sent < windows; sent++) vi.advanceTimersByTime(WINDOW_GAP_MS);
  }, read);
  expect(await outcome).toMatchObject({ state: "succeeded", result: { content: { n: 0, size: 7 } } });
  expect(sent).toBe(windows);
});

test("the work around the sending is", async () => {
  const { outcome } = run(
    async () => {
      vi.advanceTimersByTime(WINDOW_GAP_MS);
    },
    async (context) => {
      vi.advanceTimersByTime((deadline * 1000) / 2);
      const result = await read(context);
      context.signal.throwIfAborted();
      vi.advanceTimersByTime((deadline * 1000) / 2);
      context.signal.throwIfAborted();
      return result;
    },
  );
  expect(await outcome).toMatchObject({ state: "failed", failure: { code: "DEADLINE_EXCEEDED" } });
});

test("a cancel ends a sending", async () => {
  const reached = Promise.withResolvers<void>();
  const running = run(async () => {
    reached.resolve();
    throw new GroundUnavailable("out of contact");
  }, read);
  await reached.promise;
  running.cancel();
  expect(await running.outcome).toEqual({ state: "cancelled" });
});
