import { describe, expect, test } from "vitest";
import { Patience, parseDuration, retryAfterMs } from "./patience.ts";

describe("durations", () => {
  test.each([
    ["10m", 600_000],
    ["90s", 90_000],
    ["1h30m", 5_400_000],
    ["250ms", 250],
    ["5", 5000],
    ["0", 0],
    ["soon", undefined],
    ["", undefined],
    ["10 m", undefined],
    ["-5s", undefined],
  ])("%s → %s ms", (text, ms) => expect(parseDuration(text)).toBe(ms));

  test("Retry-After: seconds, a date, nonsense; never too short or too long", () => {
    expect(retryAfterMs({ "retry-after": "5" })).toBe(5000);
    expect(retryAfterMs({ "retry-after": "0" })).toBe(100);
    expect(retryAfterMs({ "retry-after": "86400" })).toBe(30_000);
    expect(retryAfterMs({ "retry-after": "Thu, 01 Jan 1970 00:00:10 GMT" }, 1, 4000)).toBe(6000);
    expect(retryAfterMs({ "retry-after": "later" }, 777)).toBe(777);
    expect(retryAfterMs({}, 777)).toBe(777);
  });

  test("patience of 0 has nothing left at once", () => {
    expect(new Patience(0, new AbortController().signal).blocked()).toBe(0);
  });

  test("a pause ends with the signal", async () => {
    const stop = new AbortController();
    const pause = new Patience(1e6, stop.signal).pause(1e6);
    stop.abort();
    await expect(pause).rejects.toThrow();
  });
});
