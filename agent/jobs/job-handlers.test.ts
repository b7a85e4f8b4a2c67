import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { JobEnd } from "#protocol/job-run.ts";
import type { Outcome } from "#protocol/wire.ts";
import { FailedSubmissions } from "./failed-submissions.ts";
import { failedEnd } from "./job-end.ts";
import { noteJobEnd } from "./job-handlers.ts";

let database: DatabaseSync;
let failures: FailedSubmissions;
beforeEach(() => {
  database = new DatabaseSync(":memory:");
  failures = new FailedSubmissions(database);
});
afterEach(() => database.close());

const OF = { user: "ann", space: "tests", submission: "s" };
const input = (onFailure: string) => ({
  space: "tests",
  pod: "job",
  image: "busybox",
  inbox: "/inbox",
  outbox: "/outbox",
  files: { count: 0, bytes: 0 },
  submission: "s",
  onFailure,
});
const done = (exitCode: number): JobEnd => ({ ...failedEnd("Error"), state: "done", exitCode });

describe("the end of a job is a failure for those after it", () => {
  test.each<[string, Outcome, boolean]>([
    ["when it was cancelled before it ran", { state: "cancelled" }, true],
    ["when the agent gave it up", { state: "failed", failure: { code: "INTERRUPTED", message: "" } }, true],
    ["when it has failed", { state: "succeeded", result: failedEnd("StartError") }, true],
    ["when its code is not 0", { state: "succeeded", result: done(1) }, true],
    ["but not when that is 0", { state: "succeeded", result: done(0) }, false],
  ])("%s", (_, outcome, failed) => {
    noteJobEnd({ failures }, { operation: "job.run", user: "ann", input: input("stop") }, outcome);
    expect(failures.has(OF)).toBe(failed);
    expect(failures.has({ ...OF, user: "bob" })).toBe(false);
    expect(failures.has({ ...OF, submission: "t" })).toBe(false);
  });

  test("only where that was asked for, and only of a job", () => {
    const cancelled: Outcome = { state: "cancelled" };
    noteJobEnd({ failures }, { operation: "job.run", user: "ann", input: input("continue") }, cancelled);
    noteJobEnd({ failures }, { operation: "pod.run", user: "ann", input: input("stop") }, cancelled);
    noteJobEnd({ failures }, { operation: "job.run", user: "ann", input: {} }, cancelled);
    expect(failures.has(OF)).toBe(false);
  });
});

test("the newest submissions are remembered", () => {
  failures.note(OF);
  failures.note(OF);
  database.exec("BEGIN");
  for (let n = 0; n < 9_990; n++) failures.note({ ...OF, submission: `s${n}` });
  expect(failures.has(OF)).toBe(true);
  for (let n = 0; n < 20; n++) failures.note({ ...OF, submission: `last${n}` });
  database.exec("COMMIT");
  expect(failures.has(OF)).toBe(false);
  expect(failures.has({ ...OF, submission: "last19" })).toBe(true);
});
