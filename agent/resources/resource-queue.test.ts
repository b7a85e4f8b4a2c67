import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareOrder, type ResourceRequest, type ResourceUse } from "./resource.ts";
import { ResourceQueue } from "./resource-queue.ts";

let n = 0;
const request = (id: string, uses: ResourceUse[], over: Partial<ResourceRequest> = {}): ResourceRequest => ({
  id,
  order: [1, 1, n++],
  lane: "em",
  user: "ann",
  uses,
  ...over,
});
const read = (key: string): ResourceUse => ({ key, name: key, mode: "read" });
const write = (key: string): ResourceUse => ({ key, name: key, mode: "write" });
const place = (places = 1, key = "builds"): ResourceUse => ({ key, name: key, mode: "place", places });

describe("locks", () => {
  test("readers share, a writer waits for them, and a later reader waits for the writer", () => {
    const queue = new ResourceQueue();
    expect(queue.add([request("r1", [read("v")]), request("r2", [read("v")])])).toEqual(["r1", "r2"]);
    expect(queue.add([request("w", [write("v")]), request("r3", [read("v")])])).toEqual([]);
    expect(queue.lackOf("w")?.behind?.id).toBe("r1");
    expect(queue.lackOf("r3")).toMatchObject({ use: { key: "v" }, behind: { id: "w" } });
    expect(queue.remove("r1")).toEqual([]);
    expect(queue.remove("r2")).toEqual(["w"]);
    expect(queue.remove("w")).toEqual(["r3"]);
  });

  test("a command gets all or nothing, and what it waits for it keeps from later ones", () => {
    const queue = new ResourceQueue();
    queue.add([request("a", [write("x")])]);
    expect(queue.add([request("both", [write("x"), write("y")])])).toEqual([]);
    // y is free, but the earlier command wants it
    expect(queue.add([request("y", [write("y")])])).toEqual([]);
    expect(queue.add([request("z", [write("z")])])).toEqual(["z"]);
    expect(queue.remove("a")).toEqual(["both"]);
    expect(queue.remove("both")).toEqual(["y"]);
  });

  test("the order is that of the claims, also for what comes late", () => {
    const queue = new ResourceQueue();
    queue.add([request("holder", [write("v")], { order: [1, 1, 0] })]);
    queue.add([request("new", [write("v")], { order: [2, 2, 1] })]);
    queue.add([request("resumed", [write("v")], { order: [1, 9, 2] })]);
    expect(queue.remove("holder")).toEqual(["resumed"]);
  });

  test("a resource given back early goes to the next; the rest is kept", () => {
    const queue = new ResourceQueue();
    queue.add([request("job", [write("v"), write("w")])]);
    queue.add([request("v", [read("v")]), request("w", [read("w")])]);
    expect(queue.release("job", "v")).toEqual(["v"]);
    expect(queue.release("job", "v")).toEqual([]);
    expect(queue.release("nobody", "v")).toEqual([]);
    expect(queue.remove("job")).toEqual(["w"]);
  });

  test("one that is cancelled while it waits frees what it kept from others", () => {
    const queue = new ResourceQueue();
    queue.add([request("r", [read("v")]), request("w", [write("v")]), request("r2", [read("v")])]);
    expect(queue.remove("w")).toEqual(["r2"]);
    expect(queue.remove("w")).toEqual([]);
    expect(queue.lackOf("w")).toBeUndefined();
  });

  test("who names a resource twice uses it once, for writing if need be", () => {
    const queue = new ResourceQueue();
    expect(queue.add([request("a", [read("v"), write("v")])])).toEqual(["a"]);
    expect(queue.add([request("b", [read("v")])])).toEqual([]);
    expect(queue.remove("a")).toEqual(["b"]);
  });
});

describe("places", () => {
  const build = (id: string, over: Partial<ResourceRequest> = {}) => request(id, [place()], over);
  /** The order in which they get the one place. */
  function served(queue: ResourceQueue, first: string): string[] {
    const order = [first];
    for (let last = first; ; ) {
      const [next] = queue.remove(last);
      if (next === undefined) return order;
      order.push(next);
      last = next;
    }
  }

  test("go round the users, not by who came first", () => {
    const queue = new ResourceQueue();
    queue.add([
      build("a1", { user: "ann" }),
      build("a2", { user: "ann" }),
      build("a3", { user: "ann" }),
      build("b1", { user: "bob" }),
      build("b2", { user: "bob" }),
      build("c1", { user: "cat" }),
    ]);
    expect(served(queue, "a1")).toEqual(["a1", "b1", "c1", "a2", "b2", "a3"]);
  });

  test("go round the groups of a user", () => {
    const queue = new ResourceQueue();
    queue.add([
      build("p1", { group: "p" }),
      build("p2", { group: "p" }),
      build("p3", { group: "p" }),
      build("q1", { group: "q" }),
    ]);
    expect(served(queue, "p1")).toEqual(["p1", "q1", "p2", "p3"]);
  });

  test("go round the lanes first: a build of the EM's lane waits for one of the others'", () => {
    const queue = new ResourceQueue();
    const others = ["ann", "bob", "cat", "dan"].map((user) => build(user, { lane: "jobs", user }));
    queue.add(others);
    queue.add([build("em", { user: "eve" })]);
    expect(served(queue, "ann").slice(0, 2)).toEqual(["ann", "em"]);
  });

  test("no place is held by who waits for a lock, nor a lock by who waits for a place", () => {
    const queue = new ResourceQueue();
    queue.add([request("w", [write("v")])]);
    queue.add([request("locked", [read("v"), place()]), request("free", [place()])]);
    expect(queue.isGranted("free")).toBe(true);
    expect(queue.add([request("other", [write("u"), place()])])).toEqual([]);
    expect(queue.lackOf("other")).toMatchObject({ use: { key: "builds" }, behind: { id: "free" } });
    // u is not held by "other", but kept for it, as it came first
    expect(queue.add([request("u", [write("u")])])).toEqual([]);
    expect(queue.remove("w")).toEqual([]);
    expect(queue.remove("free")).toEqual(["locked"]);
    expect(queue.remove("locked")).toEqual(["other"]);
    expect(queue.remove("other")).toEqual(["u"]);
  });
});

describe("any history", () => {
  type Step =
    | { do: "add"; requests: ResourceRequest[] }
    | { do: "remove"; pick: number }
    | { do: "release"; pick: number; key: number };

  const KEYS = ["a", "b", "c"];
  const use = fc.oneof(
    fc.record({ key: fc.constantFrom(...KEYS), mode: fc.constantFrom("read" as const, "write" as const) }),
    fc.record({ key: fc.constant("two"), mode: fc.constant("place" as const), places: fc.constant(2) }),
    fc.record({ key: fc.constant("one"), mode: fc.constant("place" as const), places: fc.constant(1) }),
  );
  const uses = fc
    .array(use, { maxLength: 3 })
    .map((list) => list.map((one): ResourceUse => ({ ...one, name: one.key })));
  let id = 0;
  const one = fc
    .record({
      uses,
      turn: fc.nat(5),
      lane: fc.constantFrom("em", "jobs"),
      user: fc.constantFrom("ann", "bob", "cat"),
      group: fc.constantFrom("p", "q"),
    })
    .map(({ turn, ...rest }): ResourceRequest => ({ id: `c${id++}`, order: [1, turn, id], ...rest }));
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.array(one, { minLength: 1, maxLength: 4 }).map((requests): Step => ({ do: "add", requests })),
    fc.nat(1000).map((pick): Step => ({ do: "remove", pick })),
    fc.record({ pick: fc.nat(1000), key: fc.nat(2) }).map((at): Step => ({ do: "release", ...at })),
  );

  /** What the queue must keep to, told without any of its own structures. */
  class Model {
    readonly queue = new ResourceQueue();
    readonly held = new Map<string, { request: ResourceRequest; uses: ResourceUse[] }>();
    waiting: ResourceRequest[] = [];

    granted(ids: string[]): void {
      for (const id of ids) {
        const request = this.waiting.find((other) => other.id === id);
        expect(request, `${id} was not waiting`).toBeDefined();
        // nobody earlier still waits for what it got of the locks
        for (const other of this.waiting) {
          if (ids.includes(other.id) || compareOrder(other.order, request!.order) > 0) continue;
          expect(clash(other.uses, request!.uses), `${id} overtook ${other.id}`).toBe(false);
        }
      }
      for (const id of ids) {
        const request = this.waiting.find((other) => other.id === id)!;
        this.waiting = this.waiting.filter((other) => other !== request);
        this.held.set(id, { request, uses: [...request.uses] });
      }
      this.check();
    }

    check(): void {
      const all = [...this.held.values()];
      for (const [i, { uses }] of all.entries()) {
        for (const other of all.slice(i + 1)) expect(clash(uses, other.uses)).toBe(false);
      }
      for (const [key, places] of [
        ["one", 1],
        ["two", 2],
      ] as const) {
        const holders = all.filter(({ uses }) => uses.some((use) => use.key === key));
        expect(holders.length).toBeLessThanOrEqual(places);
      }
      for (const { id } of this.waiting) {
        expect(this.queue.isGranted(id)).toBe(false);
        // whoever waits lacks something, and that is true
        const lack = this.queue.lackOf(id);
        expect(lack, `${id} waits for nothing`).toBeDefined();
        expect(lack!.behind, `${id} waits for nobody`).toBeDefined();
      }
      expect(this.queue.waiting).toBe(this.waiting.length);
    }
  }

  function clash(a: readonly ResourceUse[], b: readonly ResourceUse[]): boolean {
    return a.some((x) =>
      b.some(
        (y) =>
          x.key === y.key &&
          x.mode !== "place" &&
          y.mode !== "place" &&
          (x.mode === "write" || y.mode === "write"),
      ),
    );
  }

  test("never two writers, never a reader beside one, never too many holders, and all come to their turn", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const model = new Model();
        for (const step of steps) {
          if (step.do === "add") {
            model.waiting.push(...step.requests);
            model.granted(model.queue.add(step.requests));
            continue;
          }
          const ids = [...model.held.keys(), ...model.waiting.map((request) => request.id)];
          const id = ids[step.pick % Math.max(1, ids.length)];
          if (id === undefined) continue;
          if (step.do === "remove") {
            model.held.delete(id);
            model.waiting = model.waiting.filter((request) => request.id !== id);
            model.granted(model.queue.remove(id));
          } else {
            const key = KEYS[step.key]!;
            const held = model.held.get(id);
            if (held) held.uses = held.uses.filter((use) => use.key !== key);
            model.granted(model.queue.release(id, key));
          }
        }
        // when nothing new comes, everybody ends
        while (model.held.size > 0) {
          const [id] = model.held.keys();
          model.held.delete(id!);
          model.granted(model.queue.remove(id!));
        }
        expect(model.waiting).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  test("a place comes to each after at most one turn of every other user, however many wait", () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom("ann", "bob", "cat", "dan"), { minLength: 1, maxLength: 30 }),
        (users) => {
          const queue = new ResourceQueue();
          const requests = users.map((user, i) => request(`${i}`, [place()], { user }));
          const order = queue.add(requests);
          for (;;) {
            const next = queue.remove(order.at(-1)!);
            if (next.length === 0) break;
            order.push(...next);
          }
          expect(order).toHaveLength(users.length);
          for (const [at, id] of order.entries()) {
            const user = users[Number(id)]!;
            const before = order.slice(0, at).map((other) => users[Number(other)]!);
            const mine = before.filter((other) => other === user).length;
            for (const other of new Set(before)) {
              expect(before.filter((name) => name === other).length).toBeLessThanOrEqual(mine + 1);
            }
            const sameUser = order.slice(0, at).filter((other) => users[Number(other)] === user);
            for (const other of sameUser) expect(Number(other)).toBeLessThan(Number(id));
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe("a second step", () => {
  const later = (id: string, uses: ResourceUse[], over: Partial<ResourceRequest> = {}) =>
    request(`${id} later`, uses, { unready: true, ...over });

  test("keeps its place in the order until it is ready, also from one that is ready before", () => {
    const queue = new ResourceQueue();
    expect(queue.add([later("a", [write("group")]), later("b", [write("group")])])).toEqual([]);
    expect(queue.ready("b later")).toEqual([]);
    expect(queue.lackOf("b later")).toMatchObject({ use: { key: "group" }, behind: { id: "a later" } });
    expect(queue.ready("a later")).toEqual(["a later"]);
    expect(queue.remove("a later")).toEqual(["b later"]);
  });

  test("one that is not ready keeps no place of a counted resource from others", () => {
    const queue = new ResourceQueue();
    queue.add([later("a", [place()])]);
    expect(queue.add([request("b", [place()])])).toEqual(["b"]);
    queue.ready("a later");
    expect(queue.remove("b")).toEqual(["a later"]);
  });

  test("one that stands aside keeps nothing from others until it is ready, and then has its old place", () => {
    const queue = new ResourceQueue();
    const of = (id: string, n: number) =>
      ({
        id,
        order: [1, 1, n],
        lane: "l",
        user: "u",
        uses: [{ key: "k", name: "k", mode: "write" }],
      }) as const;
    expect(queue.add([{ ...of("a", 0), unready: true, aside: true }, of("b", 1), of("c", 2)])).toEqual(["b"]);
    expect(queue.lackOf("c")?.behind?.id).toBe("b");
    expect(queue.ready("a")).toEqual([]);
    expect(queue.remove("b")).toEqual(["a"]);
    expect(queue.remove("a")).toEqual(["c"]);
  });

  test("one that is taken out before it was ready makes way", () => {
    const queue = new ResourceQueue();
    queue.add([later("a", [write("group")]), later("b", [write("group")])]);
    queue.ready("b later");
    expect(queue.remove("a later")).toEqual(["b later"]);
  });

  test("what an earlier life had is had at once, also over the number of places", () => {
    const queue = new ResourceQueue();
    expect(queue.add([request("new", [place()])])).toEqual(["new"]);
    expect(queue.add([request("old", [place(), write("g")], { had: true })])).toEqual(["old"]);
    expect(queue.add([request("next", [place()])])).toEqual([]);
    expect(queue.remove("new")).toEqual([]);
    expect(queue.remove("old")).toEqual(["next"]);
  });
});

describe("a counted resource whose last place is left to others", () => {
  const left: ResourceUse = { key: "jobs", name: "jobs", mode: "place", places: 4, leavesLast: true };

  test("one user alone gets all but one; the next user gets that at once, and a short one takes any", () => {
    const queue = new ResourceQueue();
    const ann = Array.from({ length: 6 }, (_, i) => request(`a${i}`, [left], { user: "ann" }));
    expect(queue.add(ann)).toEqual(["a0", "a1", "a2"]);
    expect(queue.lackOf("a3")).toMatchObject({ use: left, behind: { user: "ann" } });
    expect(queue.add([request("b0", [left], { user: "bob" })])).toEqual(["b0"]);
    expect(queue.remove("b0")).toEqual([]);
    const short = request("short", [{ ...left, leavesLast: false }], { user: "ann" });
    expect(queue.add([short])).toEqual(["short"]);
    expect(queue.remove("a0")).toEqual([]);
    expect(queue.remove("short")).toEqual(["a3"]);
  });

  test("of one place it is everybody's", () => {
    const one = { ...left, places: 1 };
    expect(new ResourceQueue().add([request("a", [one])])).toEqual(["a"]);
  });

  test("whoever comes and goes: no user has all, and none that has none waits while one is free", () => {
    type Event = { user: string } | { end: number };
    const user = fc.constantFrom("ann", "ann", "ann", "bob", "cat", "dan", "eve");
    const event: fc.Arbitrary<Event> = fc.oneof(fc.record({ user }), fc.record({ end: fc.nat(20) }));
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 6 }), fc.array(event, { maxLength: 60 }), (places, events) => {
        const queue = new ResourceQueue();
        const users = new Map<string, string>();
        const held: string[] = [];
        for (const [i, event] of events.entries()) {
          if ("user" in event) {
            users.set(`${i}`, event.user);
            held.push(...queue.add([request(`${i}`, [{ ...left, places }], event)]));
          } else if (held.length > 0) {
            const [id] = held.splice(event.end % held.length, 1);
            users.delete(id!);
            held.push(...queue.remove(id!));
          }
          const holders = new Set(held.map((id) => users.get(id)));
          expect(held.length).toBeLessThanOrEqual(places);
          if (held.length === places) expect(holders.size).toBeGreaterThan(1);
          const newcomers = [...users].filter(([id, user]) => !held.includes(id) && !holders.has(user));
          if (newcomers.length > 0) expect(held).toHaveLength(places);
          // no idle places: at most the reserved one is free while others wait
          if (users.size > held.length) expect(held.length).toBeGreaterThanOrEqual(places - 1);
        }
      }),
      { numRuns: 300 },
    );
  });
});
