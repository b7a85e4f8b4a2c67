import { expect, test } from "vitest";
import { stateOf } from "./instance-view.ts";

const AT = "2026-11-20T12:31:12Z";
const ended = (exitCode: number, reason: string) => ({
  terminated: { exitCode, reason, startedAt: AT, finishedAt: AT, message: "" },
});

test("an instance of which nothing is told is pending until the edge has taken it, and unknown after that", () => {
  expect(stateOf({}, undefined)).toEqual({ State: "pending", Reason: "Queued" });
  expect(stateOf({ accepted: true }, undefined)).toEqual({ State: "unknown" });
  const waiting = { state: { waiting: { reason: "Unschedulable" } } };
  expect(stateOf({ accepted: true }, waiting)).toEqual({ State: "pending", Reason: "Unschedulable" });
  const never = { terminated: { ...ended(128, "StartError").terminated, startedAt: null } };
  expect(stateOf({ accepted: true }, { state: never })).toEqual({ State: "error", Reason: "StartError" });
});

test.each([
  ["ended by itself", ended(0, "Completed"), false, { State: "stopped", ExitCode: 0 }],
  ["was stopped", ended(143, "Error"), true, { State: "stopped", ExitCode: 143 }],
  ["failed", ended(1, "Error"), false, { State: "error", Reason: "Error", ExitCode: 1 }],
  [
    "was evicted, and ended well",
    ended(0, "Evicted"),
    false,
    { State: "error", Reason: "Evicted", ExitCode: 0 },
  ],
])("an instance that %s", (_, state, stopped, view) => {
  expect(stateOf({ accepted: true }, { state, ...(stopped && { stopped }) })).toEqual(view);
});
