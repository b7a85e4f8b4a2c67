import { describe, expect, test } from "vitest";
import type { RunRecord } from "../pods/runs/run-record.ts";
import { endOfRun, failedEnd } from "./job-end.ts";

const TIMES = { startedAt: "2025-11-20T10:00:00Z", finishedAt: "2025-11-20T10:00:05Z" };
const NEVER = { startedAt: null, finishedAt: null };

function record(reason: string, exitCode: number, over: object = {}, times: object = TIMES): RunRecord {
  return { phase: "ended", end: { reason, exitCode, ...times }, ...over } as RunRecord;
}

describe("how a run ends its job", () => {
  test.each([
    [record("Completed", 0), { state: "done", reason: "Completed", exitCode: 0 }],
    [record("Error", 7), { state: "done", reason: "Error", exitCode: 7 }],
    [record("OOMKilled", 137), { state: "done", reason: "OOMKilled", exitCode: 137 }],
    [record("Cancelled", 0), { state: "done", reason: "Cancelled", exitCode: 0 }],
    [record("Killed", 137, { stopReason: "Killed" }), { state: "done", reason: "Killed", exitCode: 137 }],
    [
      record("Cancelled", 128, { stopReason: "Killed" }, NEVER),
      { state: "done", reason: "Killed", exitCode: 137 },
    ],
    [record("Cancelled", 128, {}, NEVER), { state: "failed", reason: "Cancelled", exitCode: null }],
    [record("StartError", 128, {}, NEVER), { state: "failed", reason: "StartError", exitCode: null }],
    [record("DeadlineExceeded", 143), { state: "failed", reason: "DeadlineExceeded", exitCode: null }],
    [record("Evicted", 137), { state: "failed", reason: "Evicted", exitCode: null }],
    [record("NodeLost", 255), { state: "failed", reason: "NodeLost", exitCode: null }],
  ])("%j", (run, end) => {
    expect(endOfRun(run, false)).toMatchObject(end);
  });

  test("its times are ms, and what it used is 0 where nobody counted", () => {
    const end = endOfRun(record("Completed", 0, { logBytes: 3 }), false);
    expect(end).toMatchObject({ startedAt: Date.parse(TIMES.startedAt), logBytes: 3 });
    expect(end.finishedAt! - end.startedAt!).toBe(5_000);
    expect(end.used).toEqual({ cpuMs: 0, memoryBytes: 0, ioBytes: 0 });
  });

  test("an image that is not there is the reason, unless it ran all the same", () => {
    const killed = { stopReason: "Killed" };
    expect(endOfRun(record("Cancelled", 128, killed, NEVER), true)).toMatchObject({ reason: "ImageMissing" });
    expect(endOfRun(record("Completed", 0), true)).toMatchObject({ reason: "Completed" });
  });

  test("a message is bounded", () => {
    expect(failedEnd("StartError", "x".repeat(5_000)).message).toHaveLength(1024);
  });
});
