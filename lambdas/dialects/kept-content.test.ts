import { expect, test } from "vitest";
import { laneDialect } from "#test/support/lane-dialect.ts";
import type { Command } from "../ledger/command.ts";
import { keptContent } from "./kept-content.ts";

const lane = (name: string) =>
  laneDialect({ name, width: 1, order: "round-robin", bounds: { queuePerEdge: 1, queuePerUser: 1 } });
const command = (lane: string) => ({ id: "c", user: "ada", lane }) as Command;

test("a dialect keeps the content of its own lanes' commands, below its own keys alone", () => {
  const one = { ...lane("one"), keepContent: ({ id }: Command) => `kept/ada/one/${id}` };
  const wrong = { ...lane("wrong"), keepContent: () => "kept/bob/one/c" };
  const prefixed = { ...lane("three"), stagingPrefixes: [{ prefix: "own" }], keepContent: () => "own/uid/c" };
  const keyOf = keptContent([one, lane("two"), prefixed, wrong]);
  expect(keyOf(command("one"))).toBe("kept/ada/one/c");
  expect(keyOf(command("two"))).toBeUndefined();
  expect(keyOf(command("three"))).toBe("own/uid/c");
  expect(keyOf(command("none"))).toBeUndefined();
  expect(() => keyOf(command("wrong"))).toThrow("dialect wrong cannot keep content at kept/bob/one/c");
});
