import { expect, test } from "vitest";
import { OneWrite } from "./one-write.ts";

test("what is written in one turn goes together, and the next turn's by itself", async () => {
  const did: string[] = [];
  const write = new OneWrite({ cork: () => did.push("cork"), uncork: () => did.push("uncork") });
  for (const turn of ["abc", "d"]) {
    for (const letter of turn) {
      write.begin();
      did.push(letter);
    }
    await new Promise(process.nextTick);
  }
  expect(did).toEqual(["cork", "a", "b", "c", "uncork", "cork", "d", "uncork"]);
});
