import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Entry } from "./entry.ts";
import { ahead, claimed, enqueue, type Lane, newLane, nextToClaim, release } from "./lane.ts";
import { withWaiting } from "./rotation.ts";

const entry = (id: string, user: string, group?: string): Entry => ({
  id,
  user,
  operation: "job.run",
  since: 0,
  ...(group && { group }),
});
const options = (width: number) => ({ width, order: "round-robin", sharesPlaces: true }) as const;

function queued(lane: Lane, ...entries: Entry[]): Lane {
  const next = entries.reduce(enqueue, lane);
  return { ...next, rotation: withWaiting(next.rotation, next.queue) };
}
function claim(lane: Lane, width: number, room = width): { lane: Lane; got: Entry[] } {
  const got = nextToClaim(lane, options(width), room);
  const next = claimed(lane, got, { epoch: 1, turn: 1, by: 1 }, 0);
  return { lane: { ...next, rotation: withWaiting(next.rotation, next.queue) }, got };
}
/** How many come before each that waits, in the order of the queue. */
const standing = (lane: Lane, width: number) => lane.queue.map(({ id }) => ahead(lane, id, options(width)));
const count = (lane: Lane, user: string) => lane.running.filter((one) => one.user === user).length;

describe("a lane whose places are shared", () => {
  test("one user's hundred jobs take half of it; who comes next finds places, however long they run", () => {
    const hundred = Array.from({ length: 100 }, (_, n) => entry(`a${n}`, "ann", `p${n % 3}`));
    let { lane } = claim(queued(newLane(1), ...hundred), 64);
    expect(count(lane, "ann")).toBe(32);
    for (const [user, places] of [
      ["bob", 16],
      ["cat", 8],
      ["dan", 4],
    ] as const) {
      const many = Array.from({ length: 100 }, (_, n) => entry(`${user}${n}`, user));
      ({ lane } = claim(queued(lane, ...many), 64));
      expect(count(lane, user)).toBe(places);
    }
    expect(count(lane, "ann")).toBe(32);
  });

  test("the jobs of several users that come together have equal parts", () => {
    const users = ["ann", "bob", "cat"];
    const all = users.flatMap((user) => Array.from({ length: 100 }, (_, n) => entry(`${user}${n}`, user)));
    const { lane } = claim(queued(newLane(1), ...all), 64);
    expect(users.map((user) => count(lane, user))).toEqual([16, 16, 16]);
  });

  test("who waits for a share is not next, though places are free; who comes new is", () => {
    const six = Array.from({ length: 6 }, (_, n) => entry(`a${n}`, "ann"));
    const { lane } = claim(queued(newLane(1), ...six), 8);
    expect(count(lane, "ann")).toBe(4);
    expect(standing(lane, 8)).toEqual([1, 2]);
    const both = queued(lane, entry("b", "bob"));
    expect(standing(both, 8)).toEqual([1, 2, 0]);
    const after = release(claim(both, 8).lane, "a0");
    expect(standing(after, 8)).toEqual([0, 1]);
  });

  test("a lane of one place is everybody's", () => {
    expect(claim(queued(newLane(1), entry("a", "ann")), 1).got).toHaveLength(1);
  });

  test("whoever comes and goes: it is never over its width, and who holds none and waits gets what is free", () => {
    const users = ["ann", "ann", "ann", "bob", "cat", "dan", "eve", "fay"];
    const event = fc.oneof(
      fc.record({ user: fc.constantFrom(...users), many: fc.integer({ min: 1, max: 20 }) }),
      fc.record({ end: fc.nat(40) }),
      fc.record({ room: fc.integer({ min: 1, max: 12 }) }),
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.array(event, { maxLength: 40 }), (width, events) => {
        let lane = newLane(1);
        for (const [i, event] of events.entries()) {
          if ("user" in event) {
            lane = queued(
              lane,
              ...Array.from({ length: event.many }, (_, n) => entry(`${i}.${n}`, event.user)),
            );
          } else if ("end" in event) {
            const one = lane.running[event.end % Math.max(1, lane.running.length)];
            if (one) lane = release(lane, one.id);
          } else {
            const before = lane;
            const [next] = nextToClaim(before, options(width), 1);
            const order = standing(before, width).toSorted((a, b) => a! - b!);
            expect(order).toEqual(before.queue.map((_, n) => n + (next ? 0 : 1)));
            if (next) expect(ahead(before, next.id, options(width))).toBe(0);
            const { got, lane: after } = claim(lane, width, event.room);
            lane = after;
            expect(lane.running.length).toBeLessThanOrEqual(width);
            // a user's last place left as many to others as it has
            for (const { user } of got) {
              expect(count(lane, user) - 1).toBeLessThanOrEqual(width - before.running.length);
            }
            const newcomers = new Set(
              lane.queue.map(({ user }) => user).filter((user) => !count(lane, user)),
            );
            const roomLeft = event.room - got.length;
            if (newcomers.size > 0 && roomLeft > 0) expect(lane.running).toHaveLength(width);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});
