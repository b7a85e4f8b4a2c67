import { expect, test } from "vitest";
import { filterLog } from "./log-filter.ts";

const LINES = [{ text: "Begun" }, { text: "no such file", stream: "stderr" as const }, { text: "a file" }];

test.each([
  ["both", "", ["Begun", "no such file", "a file"]],
  ["stdout", "", ["Begun", "a file"]],
  ["stderr", "", ["no such file"]],
  ["both", "FILE", ["no such file", "a file"]],
  ["stdout", "file", ["a file"]],
  ["stderr", "begun", []],
] as const)("of %s with %j", (stream, text, left) => {
  expect(filterLog(LINES, { stream, text }).map((line) => line.text)).toEqual(left);
});

test("without a filter they are the lines themselves: nothing is copied while a log is followed", () => {
  expect(filterLog(LINES, { stream: "both", text: "" })).toBe(LINES);
});
