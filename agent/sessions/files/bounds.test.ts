import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { LIMITS } from "#protocol/limits.ts";
import { serveFiles } from "../../live/serve-files.ts";
import type { ContainerExec, RawExec } from "../container-exec.ts";
import type { OutputPiece, PodSessions } from "../pod-sessions.ts";
import { changeFiles } from "./change-files.ts";
import { listFiles } from "./list-files.ts";

const MOST = 5_000;
const { listEntries } = LIMITS;
beforeAll(() => void Object.assign(LIMITS, { listEntries: MOST }));
afterAll(() => void Object.assign(LIMITS, { listEntries }));

afterEach(() => {
  vi.restoreAllMocks();
});

const options = { signal: new AbortController().signal };
const what = { path: "./", recursive: false, as: "user" as const };

/** An engine whose programs say this, and whether they were let go of. */
function engineOf(output: () => AsyncIterable<OutputPiece>, code = 0) {
  const cut = Promise.withResolvers<void>();
  const exec: RawExec = {
    write: async () => {},
    endInput: async () => {},
    output: { [Symbol.asyncIterator]: () => output()[Symbol.asyncIterator]() },
    resize: async () => {},
    exit: async () => code,
    cut: () => cut.resolve(),
  };
  const engine: ContainerExec = { start: async () => exec, close() {} };
  return { engine, cut: cut.promise };
}

test("a list ends after 1,000,000 entries (here after fewer)", async () => {
  expect(listEntries).toBe(1_000_000);
  const line = '-rw-r--r-- 1 user user 5 1234567890 "x"\n';
  const data = Buffer.from(line.repeat(1000));
  const { engine, cut } = engineOf(async function* () {
    for (;;) yield { stream: "stdout", data };
  });
  let entries = 0;
  for await (const _ of listFiles(engine, "r", what, options)) entries++;
  expect(entries).toBe(MOST);
  await cut;
});

test("a list ends after 60 s with what was found by then", async () => {
  const late = new AbortController();
  const timeout = vi.spyOn(AbortSignal, "timeout").mockReturnValue(late.signal);
  const { engine, cut } = engineOf(async function* () {
    yield { stream: "stdout", data: Buffer.from('-rw-r--r-- 1 user user 5 1 "x"\n') };
    late.abort();
    await cut;
  });
  const names: string[] = [];
  for await (const { name } of listFiles(engine, "r", what, options)) names.push(name);
  expect(names).toEqual(["x"]);
  expect(timeout.mock.calls).toEqual([[60_000]]);
});

test("of what tar says 4 KiB are told", async () => {
  const { engine } = engineOf(async function* () {
    for (let n = 0; n < 100; n++) yield { stream: "stderr", data: Buffer.alloc(1000, "w") };
  }, 2);
  const tar = (async function* () {})();
  await expect(changeFiles(engine, "r", { remove: [], tar }, options)).rejects.toMatchObject({
    code: "COPY_FAILED",
    message: "w".repeat(4096),
  });
});

test("the edge, too, ends a file operation after 60 min", async () => {
  const late = new AbortController();
  const timeout = vi.spyOn(AbortSignal, "timeout").mockReturnValue(late.signal);
  const sessions = {
    change: async (_run: string, _what: object, { signal }: { signal: AbortSignal }) => {
      late.abort();
      signal.throwIfAborted();
    },
  } as unknown as PodSessions;
  const ends: object[] = [];
  const leg = {
    gone: options.signal,
    started() {},
    input: async function* () {},
    end: (end: object) => ends.push(end),
  };
  const target = { run: "r", ended: new AbortController().signal, release() {} };
  const request = { kind: "write" as const, write: { remove: [] } };
  await serveFiles(sessions, { request, target, leg: leg as never });
  expect(ends).toEqual([expect.objectContaining({ type: "error", code: "SESSION_TOO_LONG" })]);
  expect(timeout.mock.calls).toEqual([[3600_000]]);
});
