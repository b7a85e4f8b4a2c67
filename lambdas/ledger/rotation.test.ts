import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Entry } from "./entry.ts";
import { inTurn } from "./in-turn.ts";
import { afterTurn, type Rotation, withWaiting } from "./rotation.ts";

const inOrder = (rotation: Rotation, queue: readonly Entry[]) => [
  ...inTurn({ queue, rotation }, "round-robin"),
];

const entry = (id: string, user: string, group?: string): Entry => ({
  id,
  user,
  operation: "nodes.status",
  since: 0,
  ...(group !== undefined && { group }),
});
const ids = (entries: readonly Entry[]) => entries.map(({ id }) => id).join(" ");

describe("free places go round", () => {
  test("the users, each in the order of its own queue", () => {
    const queue = [entry("a1", "ann"), entry("a2", "ann"), entry("a3", "ann"), entry("b1", "bob")];
    expect(ids(inOrder([], queue))).toBe("a1 b1 a2 a3");
  });

  test("within a user the groups, so that a long one holds up no short one", () => {
    const queue = [
      entry("x1", "ann", "x"),
      entry("x2", "ann", "x"),
      entry("x3", "ann", "x"),
      entry("y1", "ann", "y"),
      entry("b1", "bob"),
      entry("b2", "bob"),
    ];
    expect(ids(inOrder([], queue))).toBe("x1 b1 y1 b2 x2 x3");
  });

  test("who has had a turn is last, also after waiting for nothing in between", () => {
    const both = [entry("a1", "ann"), entry("b1", "bob")];
    const afterAnn = withWaiting(afterTurn(withWaiting([], both), both[0]!), [both[1]!]);
    const again = withWaiting(afterAnn, [both[1]!, entry("a2", "ann")]);
    expect(again).toEqual([
      ["bob", ""],
      ["ann", ""],
    ]);
  });

  test("it names those who wait and nobody else", () => {
    const rotation: Rotation = [
      ["ann", "x", "y"],
      ["bob", ""],
      ["cat", ""],
    ];
    expect(withWaiting(rotation, [entry("y1", "ann", "y"), entry("d1", "dan"), entry("c1", "cat")])).toEqual([
      ["ann", "y"],
      ["cat", ""],
      ["dan", ""],
    ]);
  });

  const someone = fc.record({
    user: fc.constantFrom("ann", "bob", "cat", "dan"),
    group: fc.option(fc.constantFrom("x", "y", "z"), { nil: undefined }),
  });

  test("whoever comes when: nobody gets two places while another user waits through both", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(someone, fc.constant("place" as const)), { maxLength: 80 }), (events) => {
        let queue: Entry[] = [];
        let rotation: Rotation = [];
        /** for each user that waits: who got a place since it began to wait, or got one itself */
        const since = new Map<string, string[]>();
        for (const [n, event] of events.entries()) {
          if (event !== "place") {
            queue.push(entry(`c${n}`, event.user, event.group));
            if (!since.has(event.user)) since.set(event.user, []);
          } else {
            const [next] = inOrder(rotation, queue);
            if (!next) continue;
            rotation = afterTurn(rotation, next);
            queue = queue.filter((other) => other !== next);
            for (const [user, others] of since) {
              if (user === next.user) continue;
              expect(others).not.toContain(next.user);
              others.push(next.user);
            }
            if (queue.some(({ user }) => user === next.user)) since.set(next.user, []);
            else since.delete(next.user);
          }
          rotation = withWaiting(rotation, queue);
        }
      }),
    );
  });

  test("the order that is told is the order in which places are given", () => {
    fc.assert(
      fc.property(fc.array(someone, { maxLength: 30 }), (waiting) => {
        let queue = waiting.map(({ user, group }, n) => entry(`c${n}`, user, group));
        let rotation = withWaiting([], queue);
        const told = inOrder(rotation, queue);
        expect(new Set(told)).toEqual(new Set(queue));
        for (const expected of told) {
          const [next] = inOrder(rotation, queue);
          expect(next).toBe(expected);
          queue = queue.filter((other) => other !== next);
          rotation = withWaiting(afterTurn(rotation, expected), queue);
        }
      }),
    );
  });
});
