import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { MemoryTable } from "#test/support/memory-store.ts";
import { hasRelay } from "./has-relay.ts";
import { RELAY_HELD, StoredPlace } from "./relay-place.ts";

const log = pino({ level: "silent" });

function open(to = log) {
  const store = new MemoryTable().open();
  let clock = 0;
  const place = (id: string) =>
    new StoredPlace(store, { id, now: () => clock, log: to }, { clock: () => clock, renewMs: 3_600_000 });
  return { store, place, pass: (ms: number) => (clock += ms), now: () => clock };
}

describe("StoredPlace", () => {
  it("is held by one, which renews it; another waits", async () => {
    const { store, place, pass, now } = open();
    const [a, b] = [place("a"), place("b")];
    expect(await hasRelay(store, now())).toBe(false);
    await Promise.all([a.look(), b.look()]);
    expect([a.held, b.held].filter(Boolean)).toHaveLength(1);
    const [first, second] = a.held ? [a, b] : [b, a];
    for (let n = 0; n < 8; n++) {
      pass(10_000);
      await first.look();
      await second.look();
    }
    expect([first.held, second.held]).toEqual([true, false]);
    expect(await hasRelay(store, now())).toBe(true);
  });

  it("is taken over when it did not change for 30 s, and its holder notices by itself", async () => {
    const { place, pass } = open();
    const [a, b] = [place("a"), place("b")];
    const told: boolean[] = [];
    a.onChange((held) => told.push(held));
    await a.look();
    await b.look();
    pass(29_999);
    await b.look();
    expect([a.held, b.held]).toEqual([true, false]);
    pass(1);
    // before anybody else can have it
    expect(a.held).toBe(false);
    await b.look();
    expect(b.held).toBe(true);
    await a.look();
    expect([a.held, told]).toEqual([false, [true, false]]);
    pass(10_000);
    await b.look();
    await a.look();
    expect([a.held, b.held]).toEqual([false, true]);
  });

  it("is told every 30 s while it is held, and by nobody once it is not", async () => {
    const lines: Record<string, unknown>[] = [];
    const { place, pass } = open(pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) }));
    const [a, b] = [place("a"), place("b")];
    const told = () => lines.splice(0).flatMap((line) => (RELAY_HELD in line ? [line[RELAY_HELD]] : []));
    const changes: boolean[] = [];
    a.onChange((held) => changes.push(held));
    await a.look();
    expect(told()).toEqual([true]);
    for (let n = 0; n < 6; n++) {
      pass(10_000);
      await a.look();
      await b.look();
    }
    expect([told(), changes]).toEqual([[true, true], [true]]);
    await a.close();
    for (let n = 0; n < 6; n++) {
      pass(10_000);
      await a.look();
    }
    expect([told(), changes]).toEqual([[false], [true, false]]);
  });

  it("is left on close, and free for the next at once", async () => {
    const { store, place, now } = open();
    const [a, b] = [place("a"), place("b")];
    await a.look();
    await a.close();
    expect([a.held, await hasRelay(store, now())]).toEqual([false, false]);
    await b.look();
    expect(b.held).toBe(true);
    await a.close();
    expect(b.held).toBe(true);
  });

  it("is kept when the answer to a renewal was lost", async () => {
    const { store, place, pass } = open();
    const a = place("a");
    const told: boolean[] = [];
    a.onChange((held) => told.push(held));
    await a.look();
    const { transact } = store;
    store.transact = async (writes) => {
      await transact.call(store, writes);
      throw new Error("no answer");
    };
    pass(10_000);
    await a.look();
    store.transact = transact;
    pass(10_000);
    await a.look();
    pass(29_999);
    expect([a.held, told]).toEqual([true, [true]]);
  });

  it("survives a store that fails for a while", async () => {
    const { store, place, pass } = open();
    const a = place("a");
    await a.look();
    const { transact } = store;
    store.transact = async () => {
      throw new Error("away");
    };
    pass(20_000);
    await a.look();
    expect(a.held).toBe(true);
    pass(10_000);
    expect(a.held).toBe(false);
    store.transact = transact;
    await a.look();
    expect(a.held).toBe(true);
  });
});
