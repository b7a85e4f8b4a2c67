import { expect, test } from "vitest";
import { plainText } from "./plain-text.ts";

test.each([
  ["\x1b[31mred\x1b[0m", "red"],
  ["10 %\r50 %\r100 %", "100 %"],
  ["line\r", "line"],
  ["\x1b]0;title\x07text", "text"],
  ["<b>not markup</b>", "<b>not markup</b>"],
])("%j is %j", (line, text) => {
  expect(plainText(line)).toBe(text);
});
