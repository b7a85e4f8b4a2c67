import { pino } from "pino";
import { expect, test } from "vitest";
import { later, startNowOrLater } from "./background.ts";

const told: string[] = [];
const log = pino({ level: "info" }, { write: (line) => told.push(JSON.parse(line).msg) });

test("what nobody waits for is told when it fails, at once or in the end", async () => {
  told.length = 0;
  later("x", log, () => {
    throw new Error("at once");
  });
  later("y", log, async () => Promise.reject(new Error("in the end")));
  later("z", log, async () => undefined);
  await new Promise((resolve) => setImmediate(resolve));
  expect(told).toEqual(["x failed", "y failed"]);
});

test("a part that cannot start yet does not hold up the others, and starts when it can", async () => {
  told.length = 0;
  const over = new AbortController();
  let tries = 0;
  const started = Promise.withResolvers<void>();
  const start = async () => {
    tries += 1;
    if (tries < 3) throw new Error("not yet");
    started.resolve();
  };
  await startNowOrLater("it", start, log, over.signal);
  expect(tries).toBe(1);
  await started.promise;
  await new Promise((resolve) => setImmediate(resolve));
  expect(told).toEqual(["it could not be started: tried again", "it has started"]);
  // an agent that stops leaves it
  over.abort();
  await startNowOrLater("that", () => Promise.reject(new Error("never")), log, over.signal);
  expect(told.at(-1)).toBe("that could not be started: tried again");
});
