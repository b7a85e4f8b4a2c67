import { expect, test } from "vitest";
import { pino } from "./log.ts";

function logger(level: string) {
  const lines: string[] = [];
  const log = pino({ name: "ground", level, write: (line) => lines.push(line) });
  return { log, lines, entries: () => lines.map((line) => JSON.parse(line)) };
}

test("an entry is one line of JSON, as pino's are", () => {
  const { log, lines, entries } = logger("info");
  log.info({ edge: "em1" }, "agent\nstarted");
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/^\{.*\}\n$/);
  expect(entries()).toEqual([
    { level: 30, time: expect.any(Number), name: "ground", edge: "em1", msg: "agent\nstarted" },
  ]);
});

test("what is beneath the level is not said", () => {
  const { log, lines } = logger("warn");
  log.info("no");
  log.debug("no");
  log.warn("yes");
  log.error("yes");
  expect(lines).toHaveLength(2);
  const silent = logger("silent");
  silent.log.fatal("no");
  expect(silent.lines).toEqual([]);
});

test("an error is told with its kind, its stack, its code and its causes", () => {
  const { log, entries } = logger("info");
  const cause = new TypeError("no route");
  log.error({ err: Object.assign(new Error("cannot send", { cause }), { code: "EPIPE" }) }, "failed");
  const [{ err, msg }] = entries();
  expect(msg).toBe("failed");
  expect(err).toMatchObject({ type: "Error", message: "cannot send", code: "EPIPE" });
  expect(err.stack).toContain("lambda/log.test.ts");
  expect(err.cause).toMatchObject({ type: "TypeError", message: "no route" });
});

test("what cannot be written is said to be so", () => {
  const { log, entries } = logger("info");
  const circle: Record<string, unknown> = {};
  circle.self = circle;
  log.info({ circle }, "round");
  expect(entries()).toEqual([
    expect.objectContaining({ level: 30, msg: "round", unwritten: expect.stringContaining("circular") }),
  ]);
});
