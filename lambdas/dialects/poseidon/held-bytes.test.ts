import { expect, test } from "vitest";
import { HeldBytes } from "./held-bytes.ts";

test("one user cannot hold all, and what was given back can be held again", () => {
  const held = new HeldBytes({ user: 10, all: 15 });
  const first = held.take("a", 10);
  expect(first).toBeDefined();
  expect(held.take("a", 1)).toBeUndefined();
  expect(held.take("b", 6)).toBeUndefined();
  expect(held.take("b", 5)).toBeDefined();
  first?.();
  expect(held.take("b", 6)).toBeUndefined();
  expect(held.take("c", 10)).toBeDefined();
});
