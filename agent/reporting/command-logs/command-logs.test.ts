import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { PerigeeError } from "#protocol/errors.ts";
import { KiB, LIMITS } from "#protocol/limits.ts";
import { CommandLogs, type SendCommandLog } from "./command-logs.ts";

const ID = "01JD0000000000000000000001";
const NONE: ReadonlySet<string> = new Set();

describe("the logs of commands", () => {
  let directory: string;
  let landed: Map<number, { data: Buffer; end: boolean }>;
  let sends: number[];
  /** asked before a chunk lands; what it throws is the connection's fault or the ground's answer */
  let fault: (seq: number) => void;
  let lost: (seq: number) => void;
  const open: { close(): Promise<void> }[] = [];

  const start = (unfinished = NONE) => {
    const database = new DatabaseSync(join(directory, "state.sqlite"));
    const send: SendCommandLog = async ({ seq, end }, data) => {
      sends.push(seq);
      fault(seq);
      // as the ground does: what landed before changes nothing
      if (!landed.has(seq)) landed.set(seq, { data, end });
      else expect(landed.get(seq)).toEqual({ data, end });
      lost(seq);
    };
    const logs = new CommandLogs({ directory, database, send, log: pino({ level: "silent" }) });
    logs.start(unfinished);
    const close = async () => {
      await logs.close();
      database.close();
    };
    open.push({ close });
    return { logs, close: () => open.pop()!.close() };
  };
  const text = () =>
    [...landed.entries()]
      .sort(([a], [b]) => a - b)
      .map(([, { data }]) => data.toString())
      .join("");
  const rows = () =>
    text()
      .split("\n")
      .slice(0, -1)
      .map((row) => row.replace(/^\S+Z /, ""));
  const whole = () => expect.poll(() => [...landed.values()].some(({ end }) => end)).toBe(true);

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "command-logs-"));
    landed = new Map();
    sends = [];
    fault = () => {};
    lost = () => {};
  });
  afterEach(async () => {
    for (const one of open.splice(0)) await one.close();
    rmSync(directory, { recursive: true });
  });

  test("arrive in rows with a time, and leave nothing behind", async () => {
    const { logs } = start();
    const log = logs.open({ id: ID, user: "ann" });
    log.write("Step 1/2 : FROM base\n");
    log.write("a\nb");
    log.end();
    await whole();
    expect(rows()).toEqual(["Step 1/2 : FROM base", "a", "b"]);
    expect(text()).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z Step/);
    await expect.poll(() => readdirSync(directory).filter((name) => name.endsWith(".log"))).toEqual([]);
  });

  test("are sent once each when answers are lost, in order when nothing gets through for a while", async () => {
    let cut = 3;
    fault = () => {
      if (cut-- > 0) throw new Error("no contact");
    };
    let losses = 2;
    lost = () => {
      if (losses-- > 0) throw new Error("the answer was lost");
    };
    const { logs } = start();
    const log = logs.open({ id: ID, user: "ann" });
    for (let i = 0; i < 2000; i++) log.write(`${i} ${"x".repeat(KiB)}`);
    log.end();
    await whole();
    expect(rows().map((row) => Number.parseInt(row, 10))).toEqual(Array.from({ length: 2000 }, (_, i) => i));
  });

  test("go on after the agent's end, with the chunk that it had begun", async () => {
    lost = () => {
      throw new Error("the answer was lost");
    };
    const first = start();
    const log = first.logs.open({ id: ID, user: "ann" });
    log.write("before");
    await expect.poll(() => landed.size).toBe(1);
    log.write("unsent");
    await first.close();
    lost = () => {};
    const second = start(new Set([ID]));
    const again = second.logs.open({ id: ID, user: "ann" });
    again.write("after");
    again.end();
    await whole();
    expect(rows()).toEqual([
      "before",
      "unsent",
      "… the agent started anew, and the work begins again",
      "after",
    ]);
  });

  test("what ended while there was no contact is sent by the next life", async () => {
    fault = () => {
      throw new Error("no contact");
    };
    const first = start();
    const log = first.logs.open({ id: ID, user: "ann" });
    log.write("the only line");
    log.end();
    await expect.poll(() => sends.length).toBeGreaterThan(0);
    await first.close();
    fault = () => {};
    start();
    await whole();
    expect(rows()[0]).toBe("the only line");
  });

  test("a ground that has no such route ends the log, not the command", async () => {
    fault = () => {
      throw new PerigeeError("NOT_FOUND", "There is no route");
    };
    const { logs } = start();
    const log = logs.open({ id: ID, user: "ann" });
    log.write("a");
    await expect.poll(() => sends.length).toBe(1);
    await expect.poll(() => readdirSync(directory).filter((name) => name.endsWith(".log"))).toEqual([]);
    log.write("b");
    log.end();
  });

  test("of a log over its bound beginning and end stay, with a note between them; a long line is cut", async () => {
    const { logs } = start();
    const log = logs.open({ id: ID, user: "ann" });
    log.write("y".repeat(2 * LIMITS.logLineBytes));
    const rows = Math.ceil((2 * LIMITS.logBytes) / (60 * KiB));
    const padding = "z".repeat(60 * KiB);
    for (let i = 0; i < rows; i++) log.write(`${i} ${padding}`);
    log.write("the end");
    log.end();
    log.write("too late");
    await whole();
    expect(Buffer.byteLength(text())).toBeLessThanOrEqual(LIMITS.logBytes);
    const lines = text().split("\n").slice(0, -1);
    expect(lines[0]).toMatch(/y … \(line cut\)$/);
    expect(lines.at(-1)).toMatch(/Z the end$/);
    const at = lines.findIndex((line) => line.startsWith("… "));
    const numbers = [...lines.slice(1, at), ...lines.slice(at + 1, -1)].map((line) =>
      Number(line.split(" ")[1]),
    );
    const gone = Array.from({ length: rows }, (_, i) => i).filter((i) => !numbers.includes(i));
    expect(gone).toEqual(Array.from({ length: gone.length }, (_, i) => gone[0]! + i));
    const bytes = gone.reduce((sum, i) => sum + `${i} ${padding}\n`.length, 0);
    expect(lines[at]).toBe(`… ${bytes} bytes of the log were left out`);
    const end = lines.slice(at + 1).reduce((sum, line) => sum + line.length + 1, 0);
    expect(end).toBeGreaterThan(LIMITS.logEndBytes - 61 * KiB);
  });

  test.each(["had ended", "goes on without a word"])(
    "says that the work begins again only where it does: a command that %s",
    async (what) => {
      fault = () => {
        throw new Error("no contact");
      };
      const first = start();
      const log = first.logs.open({ id: ID, user: "ann" });
      log.write("the only line");
      if (what === "had ended") log.end();
      await first.close();
      fault = () => {};
      const second = start(new Set(what === "had ended" ? [] : [ID]));
      if (what !== "had ended") second.logs.open({ id: ID, user: "ann" }).end();
      await whole();
      expect(rows()).toEqual(["the only line"]);
    },
  );
});
