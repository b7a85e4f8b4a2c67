import { expect, test } from "vitest";
import { OPERATION_NAMES, OPERATIONS } from "#protocol/operations.ts";
import { ago, duration, localTime, since, utcTime } from "./age.ts";
import { bytes } from "./bytes.ts";
import { hasLog, operationWord } from "./operations.ts";
import { commandStatus, podStatus } from "./status.ts";
import { titleOf } from "./titles.ts";

test.each([
  [0, "0 s"],
  [59.4, "59 s"],
  [60, "1 min"],
  [90, "1 min 30 s"],
  [3600, "1 h"],
  [12_000, "3 h 20 min"],
  [86_400 * 2 + 3600 * 4, "2 d 4 h"],
  [86_400 * 30, "30 d"],
  [-3, "0 s"],
])("%d seconds are %s", (seconds, text) => {
  expect(duration(seconds)).toBe(text);
});

test("an age is of the clock that is passed", () => {
  const now = Date.parse("2026-11-28T12:00:00Z");
  expect(ago(since("2026-11-28T11:55:00Z", now))).toBe("5 min ago");
  expect(ago(1)).toBe("just now");
  expect(utcTime("2026-11-28T11:55:00.123Z", now)).toBe("11:55:00");
  expect(utcTime("2026-11-02T01:02:03Z", now)).toBe("2 Nov 01:02:03");
  expect(localTime(new Date(2026, 0, 2, 3, 4, 5).getTime())).toBe("03:04:05");
});

test.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1024, "1.0 KiB"],
  [1_048_575, "1.0 MiB"],
  [123_456_789, "118 MiB"],
  [5 * 1024 ** 5, "5120 TiB"],
])("%d bytes are %s", (count, text) => {
  expect(bytes(count)).toBe(text);
});

test("each state has a level and a word", () => {
  const states = ["staging", "queued", "running", "succeeded", "failed", "cancelled", "expired"] as const;
  const shown = states.map((state) => commandStatus({ state }));
  expect(new Set(shown.map(({ word }) => word)).size).toBe(states.length);
  expect(commandStatus({ state: "running", contact: "lost" })).toEqual({
    level: "caution",
    word: "Out of contact",
  });
  const ended = { terminated: { exitCode: 143, reason: "Error", startedAt: null, finishedAt: null } };
  expect(podStatus({ state: ended })).toEqual({ level: "critical", word: "Exit 143" });
  expect(podStatus({ state: ended, stopped: true })).toEqual({ level: "off", word: "Stopped" });
  expect(podStatus({ state: { running: { startedAt: "" } }, stopped: true }).word).toBe("Running");
  expect(podStatus({ state: {} }).level).toBe("off");
});

test.each(OPERATION_NAMES)("%s has a word for people", (name) => {
  expect(operationWord(name)).not.toBe(name);
});

test("a log is shown of each operation that writes one, and of what runs a program", () => {
  const runs = ["job.run", "pod.run", "pod.start"];
  const writes = OPERATION_NAMES.filter((name) => "logs" in OPERATIONS[name]);
  expect(OPERATION_NAMES.filter(hasLog).sort()).toEqual([...writes, ...runs].sort());
});

test("only a screen's own name leads to it", () => {
  expect(titleOf("pods")).toEqual({ screen: "pods", title: "Pods" });
  for (const other of ["__proto__", "toString", "constructor", "Pods", ""]) {
    expect(titleOf(other), other).toEqual({ screen: "overview", title: "Overview" });
  }
});
