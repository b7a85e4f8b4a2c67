import { describe, expect, it } from "vitest";
import { MemoryTable } from "#test/support/memory-store.ts";
import type { Ticket } from "../tickets.ts";
import { StoredTickets } from "./stored-tickets.ts";

const ticket = (env: Record<string, string> = {}, runner = "1-a"): Ticket => ({
  user: "alice",
  edge: "em1",
  target: { runner },
  exec: { argv: ["sh"], as: "own", env, stop: "hangup" },
});

function open() {
  const store = new MemoryTable().open();
  let now = 1_000_000;
  const tickets = new StoredTickets(store, () => now);
  return { store, tickets, later: (ms: number) => (now += ms) };
}
const options = { ttlMs: 60_000, most: 100 };

describe("StoredTickets", () => {
  it("are looked at without use, used once, and unknown afterwards", async () => {
    const { tickets } = open();
    const text = await tickets.create(ticket({ A: "b" }), options);
    expect(text).toMatch(/^[\w-]{43}$/);
    expect(await tickets.look(text)).toEqual({ ...ticket({ A: "b" }), madeAt: 1_000_000 });
    const both = await Promise.all([tickets.use(text), tickets.use(text)]);
    expect(both.filter((one) => one !== undefined)).toEqual([{ ...ticket({ A: "b" }), madeAt: 1_000_000 }]);
    expect(await tickets.look(text)).toBeUndefined();
    for (const other of ["", "x", "y".repeat(10_000)]) expect(await tickets.use(other)).toBeUndefined();
    expect(await tickets.create(ticket(), { ...options, form: "uuid" })).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("expire", async () => {
    const { tickets, later } = open();
    const text = await tickets.create(ticket(), options);
    later(60_000);
    expect([await tickets.look(text), await tickets.use(text)]).toEqual([undefined, undefined]);
  });

  it("hold a megabyte, and leave nothing behind once used", async () => {
    const { store, tickets } = open();
    const large = ticket({ A: '"\\\u00e9'.repeat(200_000) });
    const text = await tickets.create(large, options);
    expect(await tickets.use(text)).toMatchObject(large);
    expect(await store.sweep(Number.MAX_SAFE_INTEGER, 1_000)).toBe(0);
    await expect(tickets.create(ticket({ A: "x".repeat(3_000_000) }), options)).rejects.toMatchObject({
      code: "BODY_TOO_LARGE",
    });
  });

  it("are at most so many for one target: the oldest goes", async () => {
    const { tickets } = open();
    const elsewhere = await tickets.create(ticket({}, "1-b"), { ...options, most: 3 });
    const texts: string[] = [];
    for (let n = 0; n < 5; n++)
      texts.push(await tickets.create(ticket({ N: `${n}` }), { ...options, most: 3 }));
    const left = await Promise.all(texts.map((text) => tickets.look(text)));
    expect(left.map((one) => one?.exec.env.N)).toEqual([undefined, undefined, "2", "3", "4"]);
    expect(await tickets.look(elsewhere)).toBeDefined();
  });

  it("are so many for one target also when thousands expired that nobody has removed", async () => {
    const { store, tickets, later } = open();
    for (let n = 0; n < 20; n++) {
      for (let one = 0; one < 100; one++) await tickets.create(ticket(), options);
      later(60_000);
    }
    const texts: string[] = [];
    for (let n = 0; n < 5; n++) texts.push(await tickets.create(ticket(), { ...options, most: 3 }));
    const left = await Promise.all(texts.map((text) => tickets.look(text)));
    expect(left.filter((one) => one !== undefined)).toHaveLength(3);
    expect(await store.sweep(Number.MAX_SAFE_INTEGER, 10_000)).toBeLessThan(1_000);
  });

  it("hold so much for one target: of large ones the oldest goes earlier", async () => {
    const { store, tickets } = open();
    const large = ticket({ A: "x".repeat(1_900_000) });
    const texts: string[] = [];
    for (let n = 0; n < 20; n++) texts.push(await tickets.create(large, options));
    expect(await tickets.look(texts[0]!)).toBeUndefined();
    expect(await tickets.look(texts.at(-2)!)).toBeDefined();
    expect(await store.sweep(Number.MAX_SAFE_INTEGER, 1_000)).toBeLessThan(100);
  });

  it("hold no more for one target where each is just below what one item takes", async () => {
    const { tickets } = open();
    const texts: string[] = [];
    for (let n = 0; n < 60; n++)
      texts.push(await tickets.create(ticket({ A: "x".repeat(150_000) }), options));
    const left = (await Promise.all(texts.map((text) => tickets.look(text)))).filter(Boolean);
    expect(left.length).toBeGreaterThan(20);
    expect(JSON.stringify(left).length).toBeLessThanOrEqual(4 * 1024 * 1024);
  });

  it("stand in the store under a hash: neither their text nor what leads to it is there", async () => {
    const { store, tickets } = open();
    const written: unknown[] = [];
    const transact = store.transact.bind(store);
    store.transact = (writes) => {
      written.push(writes);
      return transact(writes);
    };
    const text = await tickets.create(ticket(), options);
    expect(JSON.stringify(written)).not.toContain(text);
    expect(written).toHaveLength(1);
  });
});
