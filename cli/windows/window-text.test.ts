import { expect, test } from "vitest";
import { capacityText, isWindow, windowText } from "./window-text.ts";

const NOW = Date.parse("2026-05-22T19:59:00Z");
const window = { start: "2026-05-22T20:41:00.000Z", end: "2026-05-22T20:50:00.000Z" };

test.each([
  [window, "next window 20:41Z, in 42 min, for 9 min"],
  [{ ...window, start: "2026-05-22T19:59:50Z" }, "next window 19:59Z, in 50 s, for 50 min"],
  [
    { start: "2026-05-25T01:00:00Z", end: "2026-05-26T01:05:00Z" },
    "next window 2026-05-25 01:00Z, in 2 d 5 h, for 24 h 5 min",
  ],
  [
    { start: "2026-05-22T19:50:00Z", end: "2026-05-22T20:02:00Z" },
    "in a window until 20:02Z, for 3 min more",
  ],
])("%j is said as %s", (given, text) => {
  expect(windowText(given, NOW)).toBe(text);
});

test("without a countdown the text stays the same as time goes by", () => {
  const texts = [0, 60_000, 600_000].map((ms) => windowText(window, NOW + ms, false));
  expect(new Set(texts)).toEqual(new Set(["next window 20:41Z, for 9 min"]));
});

test("what fits is told where a rate is known", () => {
  expect(capacityText({ ...window, uplink_bytes: 9600, downlink_bytes: 1_258_291 })).toBe(
    "9.4 KiB up, 1.2 MiB down",
  );
  expect(capacityText({ ...window, uplink_bytes: null, downlink_bytes: 0 })).toBe("0 B down");
  expect(capacityText(window)).toBe("");
});

test.each([undefined, null, "x", {}, { start: "now", end: window.end }])("%j is no window", (value) => {
  expect(isWindow(value)).toBe(false);
});
