import { expect, test } from "vitest";
import { Serial } from "./serial.ts";

test("of one key one after another, of two beside each other, also after one that failed", async () => {
  const turns = new Serial();
  const first = Promise.withResolvers<string>();
  const order: string[] = [];
  const one = turns.run("a", () => first.promise);
  const two = turns.run("a", async () => {
    order.push("a2");
  });
  await turns.run("b", async () => {
    order.push("b");
  });
  first.reject(new Error("failed"));
  await expect(one).rejects.toThrow("failed");
  await two;
  expect(order).toEqual(["b", "a2"]);
});
