import { expect, test } from "vitest";
import { ERRORS, type ErrorCode } from "#protocol/errors.ts";
import { errors, REFUSALS, refusal, STATUSES, TEXTS } from "./refusals.ts";

test("whatever the core refuses with, the status is one of this API's", async () => {
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    const answer = errors({ code, message: "the message" });
    const body = (await answer.json()) as { error?: string; status?: number };
    const worded = REFUSALS[code] ?? 500;
    if (typeof worded === "function") {
      expect([answer.status, Object.keys(body)], code).toEqual([200, ["error"]]);
    } else {
      expect([answer.status, body], code).toEqual([worded, { status: worded, message: STATUSES[worded] }]);
    }
    expect(answer.headers.get("www-authenticate")).toBeNull();
  }
});

test("a text of its own is 200 under error", async () => {
  for (const text of Object.values(TEXTS)) {
    const answer = errors(refusal(text).toFailure());
    expect([answer.status, await answer.json()]).toEqual([200, { error: text }]);
  }
});

test("a slowed log-in says when to come again", () => {
  const answer = errors({ code: "TOO_MANY_ATTEMPTS", message: "slow", data: { retryAfter: 1.2 } });
  expect([answer.status, answer.headers.get("retry-after")]).toEqual([401, "2"]);
});
