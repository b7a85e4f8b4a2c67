import { expect, test } from "vitest";
import { usageOf } from "./image-usage.ts";

const image = (layers: string, size: number) => ({ id: layers, size, layers: layers.split("") });

test("layers count once, and not at all under a public image", () => {
  expect(usageOf([], [image("a", 10)])).toBe(0);
  expect(usageOf([image("a", 10)], [])).toBe(10);
  expect(usageOf([image("a", 10)], [image("a", 10)])).toBe(0);
  expect(usageOf([image("abc", 15)], [image("a", 10), image("ab", 12)])).toBe(3);
  expect(usageOf([image("abc", 15), image("ab", 12), image("abd", 20)], [])).toBe(12 + 3 + 8);
  expect(usageOf([image("ba", 5)], [image("a", 10)])).toBe(5);
});
