import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LIMITS } from "#protocol/limits.ts";
import type { Entry } from "./entry.ts";
import { inTurn, waitingOf } from "./in-turn.ts";
import { claimed, enqueue, type Lane, newLane, nextToClaim } from "./lane.ts";
import { withWaiting } from "./rotation.ts";

const STEP = LIMITS.priorityStepMs;
const ORDERS = ["first-come", "round-robin"] as const;

type Given = { user?: string; group?: string | undefined; priority?: number; since?: number; held?: true };
const entry = (id: string, { user = "ann", group, since = 0, ...rest }: Given = {}): Entry => ({
  id,
  user,
  operation: "nodes.status",
  since,
  ...(group !== undefined && { group }),
  ...rest,
});
const ids = (entries: Iterable<Entry>) => [...entries].map(({ id }) => id).join(" ");
const ordered = (order: (typeof ORDERS)[number], ...queue: Entry[]) =>
  ids(inTurn({ queue, rotation: [] }, order));

describe.each(ORDERS)("priorities in a lane that is %s", (order) => {
  test("of those that came together the higher goes first, however long all wait", () => {
    const [low, usual, high] = [
      entry("low", { priority: 0 }),
      entry("usual"),
      entry("high", { priority: 9 }),
    ];
    expect(ordered(order, low, usual, high)).toBe("high usual low");
  });

  test("a low one goes before a high one that came more than its steps later", () => {
    const low = entry("low", { priority: 2 });
    const before = entry("before", { priority: 4, since: 2 * STEP - 1 });
    const after = entry("after", { priority: 4, since: 2 * STEP + 1 });
    expect(ordered(order, low, before, after)).toBe("before low after");
  });

  test("what is held waits for no place, nor does what is behind it in its group", () => {
    const queue = [
      entry("x1", { group: "x" }),
      entry("x2", { group: "x", held: true }),
      entry("x3", { group: "x" }),
      entry("y1", { group: "y" }),
      entry("z1", { held: true }),
      entry("z2"),
    ];
    expect(ids(waitingOf(queue))).toBe("x1 y1 z2");
  });
});

test("within one priority places go round the users, and a turn is a turn in any priority", () => {
  const queue = [
    entry("a1"),
    entry("a2"),
    entry("b1", { user: "bob" }),
    entry("b2", { user: "bob" }),
    entry("b9", { user: "bob", priority: 9 }),
  ];
  expect(ordered("round-robin", ...queue)).toBe("b9 a1 b1 a2 b2");
});

const someone = fc.record({
  user: fc.constantFrom("ann", "bob", "cat"),
  group: fc.option(fc.constantFrom("x", "y"), { nil: undefined }),
  priority: fc.integer({ min: 0, max: 9 }),
  since: fc.integer({ min: 0, max: 12 * STEP }),
});

test.each(ORDERS)("%s: the order that is told is the order in which claims get them", (order) => {
  fc.assert(
    fc.property(fc.array(someone, { maxLength: 30 }), fc.integer({ min: 1, max: 3 }), (waiting, width) => {
      const rotated = (lane: Lane): Lane => ({ ...lane, rotation: withWaiting(lane.rotation, lane.queue) });
      const entries = waiting.map((one, n) => entry(`c${n}`, one));
      let lane = rotated(entries.reduce(enqueue, newLane(1)));
      const told = ids(inTurn(lane, order));
      const got: Entry[] = [];
      while (lane.queue.length > 0) {
        const next = nextToClaim(lane, { width, order }, width);
        got.push(...next);
        lane = rotated({ ...claimed(lane, next, { epoch: 1, turn: 1, by: 1 }, 0), running: [] });
      }
      expect(ids(got)).toBe(told);
    }),
  );
});

test.each(ORDERS)("%s: what is low runs at last, whatever comes, by the bound that is told", (order) => {
  // A lane of one place, whose place is taken every quarter of a step, and somebody who always sends the highest.
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 8 }),
      fc.array(fc.constantFrom("bob", "cat", "dan"), { minLength: 1, maxLength: 3 }),
      (priority, others) => {
        let now = 0;
        let lane = enqueue(newLane(1), entry("low", { priority }));
        for (let n = 0; ; n++) {
          for (const user of others) {
            lane = enqueue(lane, entry(`h${n}${user}`, { user, priority: 9, since: now }));
          }
          lane = { ...lane, rotation: withWaiting(lane.rotation, lane.queue) };
          const [next] = nextToClaim(lane, { width: 1, order }, 1);
          lane = { ...claimed(lane, [next!], { epoch: 1, turn: 1, by: 1 }, now), running: [] };
          if (next!.id === "low") break;
          // only those that came before its steps were over have gone before it
          expect(next!.since).toBeLessThanOrEqual((9 - priority) * STEP);
          now += STEP / 4;
          expect(n).toBeLessThan(4 * 9 * 3 + 3);
        }
      },
    ),
  );
});
