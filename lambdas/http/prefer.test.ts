import fc from "fast-check";
import { expect, test } from "vitest";
import { MAX_WAIT_S, readPrefer } from "./prefer.ts";

const wait = (seconds: number, applied = `wait=${seconds}`) => ({
  admission: "queue",
  wait: { kind: "most", ms: seconds * 1000 },
  applied,
});
const contract = { admission: "place", wait: { kind: "end" } };
const async = { admission: "queue", wait: { kind: "none" }, applied: "respond-async" };

test.each<[string | undefined, unknown]>([
  [undefined, contract],
  ["", contract],
  ["respond-async", async],
  ["Respond-Async", async],
  ["respond-async; foo=bar", async],
  ["wait=10", wait(10)],
  ["wait=0", wait(0)],
  ['wait="10"', wait(10)],
  [" wait = 10 ", wait(10)],
  ["wait=10, wait=20", wait(10)],
  ["respond-async, wait=10", wait(10, "respond-async, wait=10")],
  ["wait=10,respond-async", wait(10, "respond-async, wait=10")],
  ["return=minimal, respond-async", async],
  ['foo="a, respond-async", wait=3', wait(3)],
  ['foo="a\\", respond-async"', contract],
  ["wait", contract],
  ["wait=", contract],
  ["wait=-1", contract],
  ["wait=1.5", contract],
  ["wait=x, wait=4", wait(4)],
  ["wait=99999999999999999999", wait(MAX_WAIT_S)],
  [",,;=", contract],
])("%j", (header, expected) => {
  expect(readPrefer(header)).toEqual(expected);
});

test("reads any header to an end", () => {
  fc.assert(
    fc.property(fc.string(), (header) => {
      const { admission, wait } = readPrefer(header);
      expect(["place end", "queue none", "queue most"]).toContain(`${admission} ${wait.kind}`);
    }),
  );
});
