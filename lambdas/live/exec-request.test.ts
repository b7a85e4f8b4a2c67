import { expect, test } from "vitest";
import { readExecRequest } from "./exec-request.ts";

test("a word that Linux cannot execute is refused, with the rule; the longest one is taken", () => {
  const word = "x".repeat(128 * 1024 - 1);
  expect(readExecRequest({ command: [word] }).argv).toEqual([word]);
  for (const body of [{ command: [`${word}x`] }, { command: ["x"], env: { A: word } }]) {
    expect(() => readExecRequest(body)).toThrow("command and env must be at most 131072 bytes together");
  }
});
