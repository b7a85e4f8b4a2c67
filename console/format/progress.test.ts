import { expect, test } from "vitest";
import type { Command } from "../api/types.ts";
import { progressText } from "./progress.ts";

const NOW = Date.parse("2026-05-22T20:00:10Z");
const of = (progress: Command["progress"], granted_at?: string) =>
  progressText({ progress, granted_at } as Command, NOW);

test("says how far, how fast and how long", () => {
  const progress = { phase: "sending", done: 5_000_000, total: 10_000_000, unit: "bytes" };
  expect(of(progress, "2026-05-22T20:00:00Z")).toBe("sending 4.8 MiB of 9.5 MiB · 488 KiB/s · 10 s left");
});

test("says no rate of what has just begun, has no amount, or has no bytes", () => {
  expect(of({ phase: "sending", done: 5, total: 10, unit: "bytes" }, "2026-05-22T20:00:09Z")).toBe(
    "sending 5 B of 10 B",
  );
  expect(of({ phase: "pulling" })).toBe("pulling");
  expect(of({ phase: "steps", done: 1, total: 3, unit: "steps" }, "2026-05-22T20:00:00Z")).toBe(
    "steps 1 steps of 3 steps · 20 s left",
  );
});
