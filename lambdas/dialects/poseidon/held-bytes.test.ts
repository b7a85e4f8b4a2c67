import { expect, test } from "vitest";
import { HeldBytes } from "./held-bytes.ts";

test("one user cannot hold all, and what was given back can be held again", () => {
  const held = new HeldBytes({ user: 10, all: 15 });
  const [first, other, third] = [held.open("a"), held.open("b"), held.open("c")];
  expect([first.take(4), first.take(6), first.take(1), held.open("a").take(1)]).toEqual([
    true,
    true,
    false,
    false,
  ]);
  expect([other.take(6), other.take(5)]).toEqual([false, true]);
  first.giveBack();
  first.giveBack();
  expect([other.take(6), third.take(10)]).toEqual([false, true]);
});
