import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Command } from "../ledger/command.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { Changes } from "./changes.ts";
import { Waiting } from "./waiting.ts";

const command = { id: "c", user: "alice", operation: "nodes.status", state: "running" } as Command;

describe("how often a wait looks", () => {
  let looks: number[];
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    looks = [];
  });
  afterEach(() => vi.useRealTimers());

  /** When a wait for a command that ends after `ms` looks at the ledger, in ms from its begin. */
  const lookingFor = async (ms: number, options: ConstructorParameters<typeof Waiting>[2]) => {
    const start = performance.now();
    const ledger = {
      async command() {
        const waited = performance.now() - start;
        looks.push(Math.round(waited));
        return { ...command, state: waited >= ms ? "succeeded" : "running" };
      },
    } as unknown as Ledger;
    const waiting = new Waiting(ledger, new Changes(), options).atMost(command, 3600_000);
    await vi.advanceTimersByTimeAsync(ms * 2 + 5000);
    expect((await waiting).state).toBe("succeeded");
    return looks;
  };

  test("at once and every second where rings tell of changes", async () => {
    expect(await lookingFor(2500, {})).toEqual([0, 1000, 2000, 3000]);
  });

  test("soon, then ever more seldom, where none do", async () => {
    expect(await lookingFor(600, { eager: { first: 100 } })).toEqual([100, 200, 300, 400, 500, 625]);
  });

  test("in the queue, too: no sooner again after each second", async () => {
    const start = performance.now();
    const ledger = {
      waits: async () => ({ ahead: 1 }),
      inContact: async () => true,
      async command() {
        looks.push(Math.round(performance.now() - start));
        return { ...command, state: performance.now() - start < 20_000 ? "queued" : "succeeded" };
      },
    } as unknown as Ledger;
    const waiting = new Waiting(ledger, new Changes(), { eager: { first: 100 } });
    const ended = waiting.inQueue({ ...command, state: "queued" }, { withdraw: true });
    await vi.advanceTimersByTimeAsync(25_000);
    expect((await ended).state).toBe("succeeded");
    expect(looks.slice(0, 5)).toEqual([100, 200, 300, 400, 500]);
    expect(looks.length).toBeLessThan(40);
  });

  test("once, at the end of a command that takes as long as those before it did", async () => {
    let start = 0;
    const ledger = {
      async command() {
        const waited = performance.now() - start;
        looks.push(Math.round(waited));
        return waited >= 40
          ? { ...command, state: "succeeded", endedAt: 1036 }
          : { ...command, state: "running" };
      },
    } as unknown as Ledger;
    const waiting = new Waiting(ledger, new Changes(), { eager: { first: 100 }, now: () => 1000 });
    const perform = async () => {
      start = performance.now();
      looks = [];
      const ended = waiting.forPlace({ ...command, state: "queued" });
      await vi.advanceTimersByTimeAsync(1000);
      expect((await ended).state).toBe("succeeded");
      return looks;
    };
    expect(await perform()).toEqual([100]);
    // some way off, as one command says little yet; then closer
    expect(await perform()).toEqual([47]);
    for (let i = 0; i < 10; i++) await perform();
    expect(await perform()).toEqual([43]);
  });

  test("in an hour of waiting no more than once a second", async () => {
    expect((await lookingFor(3600_000, { eager: { first: 100 } })).length).toBeLessThan(3620);
  });
});

describe("how long a wait lasts", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  });
  afterEach(() => vi.useRealTimers());

  /** nodes.status: two minutes of work, and ten seconds of grace */
  const WORK_MS = 130_000;
  const waits = (of: () => Command, more: Partial<Ledger> = {}) =>
    new Waiting({ command: async () => of(), ...more } as unknown as Ledger, new Changes());
  const ended = (waiting: Promise<Command>) => {
    const seen: { state?: string; error?: unknown } = {};
    waiting.then(
      ({ state }) => Object.assign(seen, { state }),
      (error: unknown) => Object.assign(seen, { error }),
    );
    return seen;
  };

  test("the deadline of the work counts from the claim where the agent tells of no grants", async () => {
    const seen = ended(waits(() => command).forPlace({ ...command, state: "queued" }));
    await vi.advanceTimersByTimeAsync(WORK_MS - 1);
    expect(seen).toEqual({});
    await vi.advanceTimersByTimeAsync(1100);
    expect(seen).toEqual({ state: "running" });
  });

  test("it counts from the grant where the agent tells of grants, however long that takes", async () => {
    let now: Command = { ...command, grants: true };
    const seen = ended(waits(() => now).forPlace({ ...command, state: "queued" }));
    await vi.advanceTimersByTimeAsync(10 * WORK_MS);
    expect(seen).toEqual({});
    now = { ...now, grantedAt: 1 };
    await vi.advanceTimersByTimeAsync(WORK_MS - 1);
    expect(seen).toEqual({});
    await vi.advanceTimersByTimeAsync(2100);
    expect(seen).toEqual({ state: "running" });
  });

  const queued: Command = { ...command, state: "queued" };
  const expired: Command = { ...command, state: "expired" };

  test("a call that queues is withdrawn when the edge does not take it although nothing is ahead", async () => {
    let ahead = 1;
    const ledger = {
      waits: async () => ({ ahead }),
      inContact: async () => false,
      endUnclaimed: async () => expired,
    };
    const seen = ended(waits(() => queued, ledger).inQueue(queued, { withdraw: true }));
    // something is ahead: contact is lost, and it stays
    await vi.advanceTimersByTimeAsync(60_000);
    expect(seen).toEqual({});
    ahead = 0;
    await vi.advanceTimersByTimeAsync(14_000);
    expect(seen).toEqual({});
    await vi.advanceTimersByTimeAsync(3_000);
    expect(seen).toMatchObject({ error: { code: "EM_UNREACHABLE" } });
  });

  describe("a patient call that queues", () => {
    const patient = (ledger: object) =>
      ended(waits(() => queued, { endUnclaimed: async () => expired, ...ledger }).inQueue(queued, how));
    const how = { withdraw: true, patient: true };

    test("waits for its turn beyond the deadline of its work, and is withdrawn when contact is lost", async () => {
      let contact = true;
      const seen = patient({ waits: async () => ({ ahead: 1 }), inContact: async () => contact });
      await vi.advanceTimersByTimeAsync(10 * WORK_MS);
      expect(seen).toEqual({});
      contact = false;
      await vi.advanceTimersByTimeAsync(2_000);
      expect(seen).toMatchObject({ error: { code: "EM_UNREACHABLE" } });
    });

    test("is withdrawn when the time of all waits is up", async () => {
      const seen = patient({ waits: async () => ({ ahead: 1 }), inContact: async () => true });
      await vi.advanceTimersByTimeAsync(2 * 60 * 60_000 + 2_000);
      expect(seen).toMatchObject({ error: { code: "EM_UNREACHABLE" } });
    });
  });

  test("a staged uplink is never withdrawn: without contact it is returned as it stands", async () => {
    const endUnclaimed = vi.fn<Ledger["endUnclaimed"]>();
    const ledger = { waits: async () => ({ ahead: 0 }), inContact: async () => false, endUnclaimed };
    const seen = ended(waits(() => queued, ledger).inQueue(queued, { withdraw: false }));
    await vi.advanceTimersByTimeAsync(0);
    expect(seen).toEqual({ state: "queued" });
    expect(endUnclaimed).not.toHaveBeenCalled();
  });
});
