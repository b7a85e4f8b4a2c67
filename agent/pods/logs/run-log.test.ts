import { describe, expect, onTestFinished, test, vi } from "vitest";
import { LIMITS } from "#protocol/limits.ts";
import { LOG_CHUNK_BYTES } from "#protocol/wire.ts";
import type { LogFrame } from "../pod-runtime.ts";
import { anchorOf, type LogCursor } from "./log-cursor.ts";
import type { LogReader } from "./log-pace.ts";
import { RunLog } from "./run-log.ts";

const BASE = Date.parse("2025-11-20T12:00:00Z");

/** An engine's log, its reader's cursor and the ground's chunks: they outlive the RunLogs over them. */
class World {
  frames: LogFrame[] = [];
  cursor: LogCursor | undefined;
  /** what landed: a number sent twice lands once */
  readonly landed = new Map<number, string>();
  largest = 0;
  /** somebody reads it as it comes */
  reader: LogReader = "nobody";
  /** called before a chunk lands; a promise that never ends is a contact that is lost */
  before: (seq: number, text: string) => Promise<void> = async () => undefined;
  flushMs = 5;
  readsFail = 0;
  /** told of each read */
  reading: (follow: boolean) => void = () => undefined;
  /** thrown by every read */
  fault: Error | undefined;
  /** a follow that has come to frame `at` goes on from frame `from` again, once */
  rereads: { at: number; from: number } | undefined;
  readonly errors: unknown[] = [];
  #grown: (() => void)[] = [];

  write(text: string | Buffer, over: Partial<LogFrame> = {}): void {
    const at = over.time ?? `${new Date(BASE + this.frames.length).toISOString().slice(0, -1)}000000Z`;
    this.frames.push({ stream: "stdout", partial: false, text: Buffer.from(text), ...over, time: at });
    for (const wake of this.#grown.splice(0)) wake();
  }

  open(): RunLog {
    return new RunLog({
      read: (options) => this.#read(options),
      deliver: async (seq, data, signal) => {
        await Promise.race([
          this.before(seq, data.toString()),
          new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve())),
        ]);
        if (signal.aborted) return "nobody";
        this.largest = Math.max(this.largest, data.length);
        if (!this.landed.has(seq)) this.landed.set(seq, data.toString());
        return this.reader;
      },
      cursor: this.cursor,
      note: (cursor) => {
        this.cursor = cursor;
      },
      flushMs: this.flushMs,
      reopenMs: 5,
      refusedMs: 20,
      onError: (error) => this.errors.push(error),
    });
  }

  /** what a read without a follow has: nothing of files that were rotated */
  rotated = false;

  async *#read(options: { follow: boolean; since?: string; signal: AbortSignal }): AsyncGenerator<LogFrame> {
    this.reading(options.follow);
    if (this.readsFail-- > 0) throw new Error("the engine is away");
    if (this.fault) throw this.fault;
    let at = 0;
    if (this.rotated && !options.follow) return;
    while (!options.signal.aborted) {
      if (options.follow && this.rereads?.at === at) {
        at = this.rereads.from;
        this.rereads = undefined;
      }
      const frame = this.frames[at];
      if (frame) {
        at++;
        if (!options.since || frame.time >= options.since) yield frame;
      } else if (options.follow) {
        await new Promise<void>((resolve) => {
          this.#grown.push(resolve);
          options.signal.addEventListener("abort", () => resolve());
        });
      } else return;
    }
  }

  lines(): string[] {
    const seqs = [...this.landed.keys()].sort((a, b) => a - b);
    expect(seqs).toEqual(seqs.map((_, n) => n));
    const text = seqs.map((seq) => this.landed.get(seq)).join("");
    return text
      .split("\n")
      .slice(0, -1)
      .map((line) => line.slice(line.indexOf(" ") + 1));
  }
}

/** Advances the fake clock until the last chunk ends so. @returns ms on it */
async function untilItLanded(world: World, end: string): Promise<number> {
  let waited = 0;
  for (; !world.landed.get(world.landed.size - 1)?.endsWith(end); waited += 50) {
    // all that waits for no timer is done by then
    await new Promise(setImmediate);
    await vi.advanceTimersByTimeAsync(50);
  }
  return waited;
}

const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => `line ${from + n}`);

/** A world whose log cannot be read any more after its first line, and which has flushed it. */
async function unreadable(fault: Error): Promise<World> {
  const world = new World();
  world.write("one");
  const landed = Promise.withResolvers<void>();
  world.before = async () => landed.resolve();
  const log = world.open();
  await landed.promise;
  world.fault = fault;
  await log.flush();
  return world;
}

describe("RunLog", () => {
  test("what can never be read keeps no run from its end, in this life and the next", async () => {
    const world = await unreadable(new TypeError("what the engine gives cannot be read"));
    const chunks = () => [...world.landed].sort(([a], [b]) => a - b).map(([, text]) => text.slice(-40));
    const lost = "… the last log lines were dropped\n";
    expect(chunks()).toEqual([expect.stringMatching(/one\n$/), expect.stringContaining(lost)]);
    expect(world.errors.length).toBeLessThan(10);
    world.landed.clear();
    await world.open().flush();
    expect(chunks().join("")).toContain(lost);
  });

  test.each([
    ["Docker", { statusCode: 500 }],
    ["Kubernetes", { status: 403 }],
  ])(
    "a log of which %s always answers that it cannot be read keeps no run from its end",
    async (_of, status) => {
      const world = await unreadable(Object.assign(new Error("an invalid character in the log"), status));
      expect([...world.landed.values()].join("")).toContain("one\n… the last log lines were dropped\n");
      // and in its next life, where the chunk that was noted cannot be made again
      world.landed.clear();
      await world.open().flush();
      expect([...world.landed.values()].join("")).toContain("… the last log lines were dropped\n");
    },
  );

  test("an engine that is away is asked until it is there", async () => {
    const world = new World();
    world.write("one");
    world.readsFail = 10;
    await world.open().flush();
    expect(world.lines()).toEqual(["one"]);
  });

  test("delivers every line once, in order, with its time stamp", async () => {
    const world = new World();
    for (const line of numbers(0, 100)) world.write(line);
    const log = world.open();
    for (const line of numbers(100, 200)) world.write(line);
    await log.flush();
    expect(world.lines()).toEqual(numbers(0, 200));
    expect(world.landed.get(0)?.split("\n")[0]).toBe("2025-11-20T12:00:00.000000000Z line 0");
  });

  test("an engine that reads a file again when it rotates doubles no line", async () => {
    const world = new World();
    const log = world.open();
    const doubled = new Promise<void>((resolve) => {
      world.before = async (_seq, text) => {
        if (text.includes("line 150")) resolve();
      };
    });
    for (const line of numbers(0, 100)) world.write(line);
    world.rereads = { at: 100, from: 60 };
    for (const line of numbers(100, 151)) world.write(line);
    await doubled;
    expect(world.rereads).toBeUndefined();
    await log.flush();
    expect(world.lines()).toEqual(numbers(0, 151));
  });

  test("a rotation doubles no line that is the only one of its stream", async () => {
    const world = new World();
    world.write("from the program");
    world.write("a warning", { stream: "stderr" });
    world.rereads = { at: 2, from: 0 };
    const log = world.open();
    await vi.waitFor(() => expect(world.rereads).toBeUndefined());
    world.write("a second warning", { stream: "stderr" });
    await log.flush();
    expect(world.lines()).toEqual(["from the program", "a warning", "a second warning"]);
  });

  test("a long line that crosses one of the other stream is not read again", async () => {
    const world = new World();
    let reads = 0;
    world.reading = () => reads++;
    const time = "2025-11-20T12:00:00.000000000Z";
    const log = world.open();
    for (let n = 0; n < 20; n++) {
      const at = time.replace("00.0", `${String(n).padStart(2, "0")}.0`);
      world.write("x".repeat(100), { time: at, partial: true });
      world.write("a warning", { stream: "stderr", time: at });
      // the last piece has the time of the first
      world.write("y", { time: at });
    }
    await vi.waitFor(() =>
      expect([...world.landed.values()].join("")).toContain("00:19.".replace("00:", "12:00:")),
    );
    expect(reads).toBe(1);
    await log.flush();
    expect(world.lines().filter((line) => line.includes("y"))).toHaveLength(20);
  });

  test("what a rotation gives again is passed over without another read of the log", async () => {
    const world = new World();
    const reads: boolean[] = [];
    world.reading = (follow) => reads.push(follow);
    const log = world.open();
    const further = Promise.withResolvers<void>();
    world.before = async (_seq, text) => {
      if (text.includes("line 150")) further.resolve();
    };
    for (const line of numbers(0, 100)) world.write(line);
    world.rereads = { at: 100, from: 60 };
    for (const line of numbers(100, 151)) world.write(line);
    await further.promise;
    expect(world.rereads).toBeUndefined();
    expect(reads).toEqual([true]);
    await log.flush();
    expect(world.lines()).toEqual(numbers(0, 151));
  });

  test("no chunk is over the bound, each line is one row", async () => {
    const world = new World();
    const long = "ä€𝄞x".repeat(2_000);
    for (let n = 0; n < 60; n++) world.write(long);
    await world.open().flush();
    expect(world.largest).toBeLessThanOrEqual(LOG_CHUNK_BYTES);
    expect(world.lines()).toEqual(Array.from({ length: 60 }, () => long));
  });

  test.each([true, false])(
    "killed within a long line (its chunk landed: %s): it is one row",
    async (landed) => {
      const world = new World();
      const pieces = ["a".repeat(16_384), "b".repeat(16_384), "c"];
      world.write("first");
      world.write(pieces[0]!, { partial: true });
      world.write("other", { stream: "stderr" });
      const dying = new Promise<void>((resolve) => {
        world.before = (seq, text) => {
          if (landed) world.landed.set(seq, text);
          resolve();
          return new Promise(() => undefined);
        };
      });
      const first = world.open();
      await dying;
      first.abandon();
      world.before = async () => undefined;
      world.write(pieces[1]!, { partial: true });
      const second = world.open();
      world.write("more", { stream: "stderr" });
      while (!world.lines().includes("more")) await new Promise((resolve) => setTimeout(resolve, 1));
      second.abandon();
      world.write(pieces[2]!);
      await world.open().flush();
      expect(world.lines()).toEqual(["first", "other", "more", pieces.join("")]);
    },
  );

  test.each([true, false])("killed at the end of a line without an end (it landed: %s)", async (landed) => {
    const world = new World();
    world.write("a".repeat(16_384), { partial: true });
    const dying = new Promise<void>((resolve) => {
      world.before = (seq, text) => {
        if (landed) world.landed.set(seq, text);
        resolve();
        return new Promise(() => undefined);
      };
    });
    const first = world.open();
    void first.flush();
    await dying;
    first.abandon();
    world.before = async () => undefined;
    await world.open().flush();
    expect(world.lines()).toEqual(["a".repeat(16_384)]);
  });

  test("a full chunk that an earlier version noted, without marks of standard error, lands whole", async () => {
    const world = new World();
    const text = "x".repeat(100);
    // a time, a blank, the line's end
    const count = Math.floor(LOG_CHUNK_BYTES / (30 + 1 + text.length + 1));
    for (let n = 0; n < count; n++) world.write(text, { stream: "stderr" });
    world.cursor = { seq: 0, to: anchorOf(world.frames.at(-1)!, undefined) };
    world.write("after", { stream: "stderr" });
    await world.open().flush();
    expect(world.largest).toBeLessThanOrEqual(LOG_CHUNK_BYTES);
    expect(world.lines()).toEqual([...Array(count).fill(text), "after"]);
    expect(world.landed.get(1)).toContain("-00:00 after");
  });

  test("what the engine dropped before it was taken is told", async () => {
    const world = new World();
    world.write("kept");
    world.write("a".repeat(16_384), { partial: true });
    const first = world.open();
    while (!world.cursor) await new Promise((resolve) => setTimeout(resolve, 1));
    first.abandon();
    world.frames = [];
    world.write("new", { time: "2025-11-20T13:00:00.000000000Z" });
    await world.open().flush();
    const text = [...world.landed.values()].join("");
    expect(text).toMatch(/kept\n[\s\S]*older log lines were dropped\n.*new\n$/);
  });

  test.each([
    ["a follow that was behind", true],
    ["a follow that had all of it", false],
  ])("at the end nothing is left of a rotated file: %s", async (_, behind) => {
    const world = new World();
    const text = "x".repeat(60_000);
    // The ground takes no more than the first chunks while the run goes on.
    let open: () => void = () => undefined;
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    if (behind) world.before = () => opened;
    for (let n = 0; n < 40; n++) world.write(text);
    const log = world.open();
    while (behind ? !world.cursor : world.lines().length < 40) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    world.rotated = true;
    const flushed = log.flush();
    open();
    await flushed;
    const all = [...world.landed.values()].join("");
    expect(all.endsWith("… the last log lines were dropped\n")).toBe(behind);
    expect(all.includes("dropped")).toBe(behind);
  });

  test("a line that the engine cut exactly at its end leaves no empty line", async () => {
    const world = new World();
    world.write("a".repeat(4096), { partial: true });
    world.write("");
    world.write("");
    await world.open().flush();
    expect(world.lines()).toEqual(["a".repeat(4096), ""]);
  });

  test.each([true, false])(
    "killed while a chunk is under way (it landed: %s): nothing is lost or doubled",
    async (landed) => {
      const world = new World();
      for (const line of numbers(0, 50)) world.write(line);
      const offered: string[] = [];
      const dying = new Promise<void>((resolve) => {
        world.before = (seq, text) => {
          if (seq < 1) return Promise.resolve();
          offered.push(text);
          if (landed) world.landed.set(seq, text);
          resolve();
          return new Promise(() => undefined);
        };
      });
      const first = world.open();
      while (!world.landed.has(0)) await new Promise((resolve) => setTimeout(resolve, 1));
      for (const line of numbers(50, 80)) world.write(line);
      await dying;
      first.abandon();
      world.before = async (seq, text) => void (seq === 1 && offered.push(text));
      for (const line of numbers(80, 100)) world.write(line);
      await world.open().flush();
      expect(world.lines()).toEqual(numbers(0, 100));
      expect(offered).toHaveLength(2);
      expect(offered[1]).toBe(offered[0]);
    },
  );

  test("identical lines with identical stamps are told apart over a restart", async () => {
    const world = new World();
    const time = "2025-11-20T12:00:00.000000000Z";
    for (let n = 0; n < 5; n++) world.write("same", { time });
    const first = world.open();
    await first.flush();
    for (let n = 0; n < 5; n++) world.write("same", { time });
    await world.open().flush();
    expect(world.lines()).toHaveLength(10);
  });

  test("a clock that steps back loses nothing", async () => {
    const world = new World();
    world.write("before", { time: "2025-11-20T12:00:00.000000000Z" });
    await world.open().flush();
    world.write("after the step", { time: "2024-01-01T00:00:00.000000000Z" });
    await world.open().flush();
    expect(world.lines()).toEqual(["before", "after the step"]);
  });

  test("when the engine dropped what was delivered last, all that is left is new", async () => {
    const world = new World();
    for (const line of numbers(0, 10)) world.write(line);
    await world.open().flush();
    world.frames = [];
    for (const line of numbers(90, 95)) world.write(line);
    await world.open().flush();
    expect(world.lines().filter((line) => line.startsWith("line"))).toEqual([
      ...numbers(0, 10),
      ...numbers(90, 95),
    ]);
  });

  test("without contact it holds two chunks at most and reads no further", async () => {
    const world = new World();
    world.before = () => new Promise(() => undefined);
    let read = 0;
    const line = "x".repeat(1_000);
    for (let n = 0; n < 3_000; n++) world.write(line);
    world.frames = world.frames.map((frame) => ({
      ...frame,
      get text() {
        read++;
        return frame.text;
      },
    }));
    const log = world.open();
    const flushed = log.flush();
    await new Promise((resolve) => setTimeout(resolve, 100));
    // The anchor and the lines of a frame each look at its text.
    expect(read / 3).toBeLessThan((3 * LOG_CHUNK_BYTES) / 1_000);
    log.abandon();
    await flushed;
  });

  test.each<[LogReader, number, number]>([
    ["near", 50, 1_000],
    ["far", 5_000, 20_000],
    ["nobody", 5_000, 20_000],
  ])("a flood is held back unless somebody near reads it as it comes: %s", async (reader, least, most) => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onTestFinished(() => void vi.useRealTimers());
    const world = new World();
    world.reader = reader;
    world.flushMs = 500;
    const lines = Math.ceil((LIMITS.logBytes + LOG_CHUNK_BYTES) / 1_000);
    for (let n = 0; n < lines; n++) world.write("x".repeat(1_000));
    world.write("the last one");
    const log = world.open();
    const waited = await untilItLanded(world, "the last one\n");
    expect(waited).toBeGreaterThanOrEqual(least);
    expect(waited).toBeLessThanOrEqual(most);
    log.abandon();
  });

  test("who begins to read a flood does not wait until its pause is over", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onTestFinished(() => void vi.useRealTimers());
    const world = new World();
    world.flushMs = 500;
    let bytes = 0;
    world.before = async (_seq, text) => {
      bytes += text.length;
      if (bytes > LIMITS.logBytes) world.reader = "near";
    };
    const lines = Math.ceil((LIMITS.logBytes + LOG_CHUNK_BYTES) / 1_000);
    for (let n = 0; n < lines; n++) world.write("x".repeat(1_000));
    world.write("the last one");
    const log = world.open();
    expect(await untilItLanded(world, "the last one\n")).toBeLessThan(5_000);
    log.abandon();
  });

  test("a read that fails is tried again, also at the end", async () => {
    const world = new World();
    world.readsFail = 3;
    for (const line of numbers(0, 10)) world.write(line);
    const log = world.open();
    world.readsFail = 3;
    await log.flush();
    expect(world.lines()).toEqual(numbers(0, 10));
    expect(world.errors.length).toBeGreaterThan(0);
  });
});
