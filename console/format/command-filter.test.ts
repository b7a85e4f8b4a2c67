import { expect, test } from "vitest";
import type { Command } from "../api/types.ts";
import { type Filter, NO_FILTER, passes } from "./command-filter.ts";

const command: Command = {
  command_id: "01KAH8ZJ5Q4W6T8Y0B2C4D6E8F",
  operation: "image.build",
  lane: "kabuto",
  edge: "em1",
  state: "failed",
  input: { image: "echo-test" },
  attempts: 1,
  created_at: "2026-11-28T12:00:00Z",
  error: { code: "BUILD_FAILED", message: "Docker build failed" },
};
const shown = (filter: Partial<Filter>) => passes(command, { ...NO_FILTER, ...filter });

test("each part of a filter counts", () => {
  expect(shown({})).toBe(true);
  expect(shown({ state: "failed", operation: "image.build", text: "ECHO" })).toBe(true);
  expect(shown({ text: "build_failed" })).toBe(true);
  expect(shown({ text: "01kah8" })).toBe(true);
  expect(shown({ state: "open" })).toBe(false);
  expect(shown({ operation: "pod.run" })).toBe(false);
  expect([shown({ lane: "kabuto" }), shown({ lane: "em" })]).toEqual([true, false]);
  expect(shown({ text: "other" })).toBe(false);
  expect(passes({ ...command, state: "queued" }, { ...NO_FILTER, state: "open" })).toBe(true);
});
