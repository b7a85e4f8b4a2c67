import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { KiB, LIMITS, MiB } from "#protocol/limits.ts";
import { type Sender, SendTurns } from "./send-turns.ts";

const CHUNK = 64 * KiB;
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

let now: number;
let thin: boolean;
let turns: SendTurns;
/** what is under way, in the order in which it began, and ends of it */
let underWay: { name: string; bytes: number; end: (error?: Error) => void }[];
let begun: string[];
let ended: Promise<unknown>[];
const beginAnew = () => {
  thin = true;
  underWay = [];
  begun = [];
  ended = [];
  turns = new SendTurns(
    () => thin,
    () => now,
  );
};
beforeEach(() => {
  now = 0;
  beginAnew();
});

const send = (sender: Sender, name: string, bytes = CHUNK, signal?: AbortSignal) => {
  const work = () => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const entry = {
      name,
      bytes,
      end(error?: Error) {
        underWay.splice(underWay.indexOf(entry), 1);
        if (error) reject(error);
        else resolve();
      },
    };
    begun.push(name);
    underWay.push(entry);
    return promise;
  };
  const sent = sender.turn(bytes, work, signal);
  ended.push(sent.catch(() => undefined));
  return sent;
};
const sendMany = (sender: Sender, name: string, count: number) => {
  for (let n = 0; n < count; n++) void send(sender, name);
};
const finishAll = async () => {
  for (await settled(); underWay.length > 0; await settled()) underWay[0]!.end();
  await Promise.all(ended);
};

test("over a link that is not thin nothing waits", async () => {
  thin = false;
  sendMany(turns.sender({ asked: true }), "file", 40);
  void send(turns.sender("logs"), "log", 10 * MiB);
  await settled();
  expect(begun.length).toBe(41);
  await finishAll();
});

test("results go before files, files by priority, and logs last, however they came", async () => {
  sendMany(turns.sender({ asked: true }), "large", 30);
  await settled();
  expect(begun.length).toBe(8);
  void send(turns.sender("logs"), "log");
  void send(turns.sender({ asked: true, priority: 2 }), "low");
  void send(turns.sender({ asked: true, priority: 9 }), "high");
  void send(turns.sender({ asked: false, priority: 0 }), "result");
  void send(turns.sender({ asked: false, priority: 7 }), "first result");
  await finishAll();
  const order = begun.slice(8);
  expect(order.slice(0, 3)).toEqual(["first result", "result", "high"]);
  expect(order.slice(-2)).toEqual(["low", "log"]);
});

test("of one priority all take turns: what is small is not behind what is large", async () => {
  sendMany(turns.sender({ asked: true }), "large", 30);
  await settled();
  sendMany(turns.sender({ asked: true, priority: 5 }), "small", 2);
  await finishAll();
  expect(begun.slice(8, 12)).toEqual(["small", "large", "small", "large"]);
});

test("a step is worth an hour of waiting: what is low goes at last, logs too", async () => {
  const old = turns.sender({ asked: true, priority: 0 });
  sendMany(turns.sender({ asked: true, priority: 5 }), "large", 20);
  void send(turns.sender("logs"), "log");
  now = 7 * LIMITS.priorityStepMs;
  sendMany(turns.sender({ asked: true, priority: 6 }), "late", 3);
  void send(old, "old");
  await finishAll();
  const [log, lowest, latest] = ["log", "old", "late"].map((name) => begun.indexOf(name));
  expect(log).toBeLessThan(latest!);
  expect(lowest).toBeLessThan(latest!);
});

test("while a large report is under way nothing new begins", async () => {
  sendMany(turns.sender({ asked: true }), "large", 9);
  await settled();
  const report = Promise.withResolvers<void>();
  const told = turns.before(() => report.promise);
  underWay[0]!.end();
  underWay[0]!.end(new Error("cut"));
  await settled();
  expect(begun.length).toBe(8);
  report.reject(new Error("no answer"));
  await expect(told).rejects.toThrow("no answer");
  await settled();
  expect(begun.length).toBe(9);
  await finishAll();
});

test("logs leave most of the link to what comes next", async () => {
  const logs = turns.sender("logs");
  for (let n = 0; n < 4; n++) void send(logs, "log", 256 * KiB);
  await settled();
  expect(begun).toEqual(["log"]);
  void send(turns.sender({ asked: true }), "file");
  await settled();
  expect(begun).toEqual(["log", "file"]);
  await finishAll();
});

test("who gives up while waiting is not sent, and holds nobody up", async () => {
  sendMany(turns.sender({ asked: true }), "large", 8);
  await settled();
  const stop = new AbortController();
  const given = send(turns.sender({ asked: true, priority: 9 }), "big", 1 * MiB, stop.signal);
  void send(turns.sender({ asked: true }), "behind");
  underWay[0]!.end();
  await settled();
  expect(begun).not.toContain("behind");
  stop.abort(new Error("cancelled"));
  await expect(given).rejects.toThrow("cancelled");
  await settled();
  expect(begun.at(-1)).toBe("behind");
  await finishAll();
});

describe("whatever is sent, cut and given up", () => {
  const step = fc.oneof(
    fc.record({
      kind: fc.constant("send" as const),
      who: fc.nat(5),
      bytes: fc.integer({ min: 1, max: 3 * MiB }),
    }),
    fc.record({ kind: fc.constantFrom("end" as const, "cut" as const, "abort" as const), which: fc.nat(20) }),
    fc.record({ kind: fc.constant("thin" as const), thin: fc.boolean() }),
  );

  test("the link is not filled over its bounds, and all of it is sent or was given up", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        let wide = false;
        beginAnew();
        const senders = [
          turns.sender("logs"),
          ...[0, 5, 9].map((priority) => turns.sender({ asked: true, priority })),
          ...[0, 9].map((priority) => turns.sender({ asked: false, priority })),
        ];
        const stops: { stop: AbortController; name: string }[] = [];
        const given = new Set<string>();
        let sent = 0;
        for (const one of steps) {
          if (one.kind === "send") {
            const stop = new AbortController();
            const name = String(sent++);
            stops.push({ stop, name });
            send(senders[one.who]!, name, one.bytes, stop.signal).catch((error: unknown) => {
              if (error === stop.signal.reason) given.add(name);
            });
          } else if (one.kind === "thin") {
            thin = one.thin;
            wide ||= !thin;
          } else if (one.kind === "abort") stops[one.which]?.stop.abort();
          else underWay[one.which]?.end(one.kind === "cut" ? new Error("cut") : undefined);
          await settled();
          if (wide) continue;
          expect(underWay.length).toBeLessThanOrEqual(8);
          const bytes = underWay.reduce((sum, { bytes }) => sum + bytes, 0);
          if (underWay.length > 1) expect(bytes).toBeLessThanOrEqual(1 * MiB);
          if (begun.length + given.size < sent) expect(underWay.length).toBeGreaterThan(0);
        }
        await finishAll();
        expect(new Set([...begun, ...given]).size).toBe(sent);
        expect(begun.length + given.size).toBe(sent);
      }),
      { numRuns: 60 },
    );
  });
});
