import { describe, expect, it } from "vitest";
import { temporaryStore } from "#test/support/temporary-store.ts";
import { Throttle } from "./throttle.ts";

const MINUTE = 60_000;

async function setUp() {
  const { store, another } = await temporaryStore();
  const clock = { now: 1_800_000_000_000 };
  const now = () => clock.now;
  const throttle = new Throttle(store, { now });
  const succeed = (user: string, address: string) => throttle.attempt(user, address, async () => "in");
  const fail = (user: string, address: string) => throttle.attempt(user, address, async () => undefined);
  /** Seconds that an attempt is held up, found without making one that counts. */
  const held = async (user: string, address: string) => {
    const probe = new Error("let through");
    const attempt = throttle.attempt(user, address, () => Promise.reject(probe));
    const error: unknown = await attempt.catch((thrown: unknown) => thrown);
    if (error === probe) return 0;
    expect(error).toMatchObject({ code: "TOO_MANY_ATTEMPTS" });
    const { retryAfter, retry_after } = (error as { data: Record<string, number> }).data;
    expect(retry_after).toBe(retryAfter);
    return retryAfter;
  };
  const other = () => new Throttle(another(), { now });
  return { store, clock, now, throttle, other, succeed, fail, held };
}

describe("Throttle", () => {
  it("lets five failures pass, then doubles the delay up to a minute", async () => {
    const { clock, fail, held } = await setUp();
    for (let n = 1; n <= 5; n++) {
      expect(await held("alice", "a")).toBe(0);
      await fail("alice", "a");
    }
    for (const delay of [1, 2, 4, 8, 16, 32, 60, 60]) {
      expect(await held("alice", "a")).toBe(delay);
      clock.now += delay * 1000 - 1;
      expect(await held("alice", "a")).toBe(1);
      clock.now += 1;
      expect(await held("alice", "a")).toBe(0);
      await fail("alice", "a");
    }
  });

  it("does not even look at an attempt during the delay, right or wrong, nor count it", async () => {
    const { clock, throttle, fail } = await setUp();
    for (let n = 0; n < 5; n++) await fail("alice", "a");
    let looked = 0;
    const look = async () => {
      looked++;
      return "in";
    };
    for (let n = 0; n < 10; n++) {
      await expect(throttle.attempt("alice", "a", look)).rejects.toMatchObject({ data: { retryAfter: 1 } });
    }
    expect(looked).toBe(0);
    clock.now += 1000;
    expect(await throttle.attempt("alice", "a", look)).toBe("in");
  });

  it("never locks the user out from elsewhere, nor another user of the address", async () => {
    const { clock, fail, held, succeed } = await setUp();
    for (let n = 0; n < 10; n++) {
      await fail("alice", "attacker");
      clock.now += MINUTE;
    }
    await fail("alice", "attacker");
    expect(await held("alice", "attacker")).toBe(60);
    expect(await succeed("alice", "home")).toBe("in");
    expect(await held("bob", "attacker")).toBe(0);
  });

  it("slows an address that tries one password on many users", async () => {
    const { clock, fail, held } = await setUp();
    for (let n = 0; n < 20; n++) {
      expect(await held(`user${n}`, "a")).toBe(0);
      await fail(`user${n}`, "a");
    }
    expect(await held("user20", "a")).toBe(1);
    clock.now += 1000;
    await fail("user20", "a");
    expect(await held("user21", "a")).toBe(2);
    expect(await held("user21", "b")).toBe(0);
  });

  it("treats users that exist and users that do not alike", async () => {
    const { fail, held } = await setUp();
    for (const name of ["alice", "No Such User!", "", "__proto__"]) {
      for (let n = 0; n < 5; n++) await fail(name, `address of ${name}`);
      expect(await held(name, `address of ${name}`)).toBe(1);
    }
  });

  it("forgets a pair with its success, but not the address", async () => {
    const { clock, fail, held, succeed } = await setUp();
    for (let n = 0; n < 5; n++) await fail("alice", "a");
    clock.now += 1000;
    await succeed("alice", "a");
    for (let n = 0; n < 4; n++) await fail("alice", "a");
    expect(await held("alice", "a")).toBe(0);
    // an own account does not free a guesser: 9 failures are counted for the address
    for (let n = 0; n < 10; n++) await fail(`victim${n}`, "a");
    await succeed("alice", "a");
    await fail("victim", "a");
    expect(await held("alice", "a")).toBe(1);
  });

  it("forgets failures a quarter of an hour after the last", async () => {
    const { clock, fail, held } = await setUp();
    for (let n = 0; n < 5; n++) await fail("alice", "a");
    clock.now += 15 * MINUTE;
    for (let n = 0; n < 4; n++) await fail("alice", "a");
    expect(await held("alice", "a")).toBe(0);
  });

  it("writes nothing for a log-in that succeeds at once, and one expiring item per address for those that fail", async () => {
    const { store, clock, fail, succeed } = await setUp();
    await succeed("alice", "a");
    expect(await store.query({ pk: "attempts#a", limit: 10 })).toEqual([]);
    await fail("my password by mistake", "a");
    await fail("bob", "a");
    const items = await store.query({ pk: "attempts#a", limit: 10 });
    expect(items).toHaveLength(1);
    expect(items[0]?.expiresAt).toBe(clock.now + 15 * MINUTE);
    expect(JSON.stringify(items)).not.toContain("my password");
    clock.now += 15 * MINUTE;
    expect(await store.sweep(clock.now + 1, 10)).toBe(1);
  });

  it("keeps an item bounded, however many users one address tries", async () => {
    const { store, clock, fail } = await setUp();
    for (let n = 0; n < 200; n++) {
      await fail(`user${n}`, "a");
      // as fast as the address' own delay lets it, with failures that do not grow old
      clock.now += MINUTE;
    }
    const [item] = await store.query<{ pairs: object }>({ pk: "attempts#a", limit: 10 });
    expect(Object.keys(item!.data.pairs).length).toBeLessThanOrEqual(64);
    expect(JSON.stringify(item).length).toBeLessThan(8192);
  });

  it("holds over several servers", async () => {
    const { other, fail, held } = await setUp();
    const second = other();
    for (let n = 0; n < 3; n++) await fail("alice", "a");
    for (let n = 0; n < 2; n++) await second.attempt("alice", "a", async () => undefined);
    expect(await held("alice", "a")).toBe(1);
    await expect(second.attempt("alice", "a", async () => "in")).rejects.toMatchObject({
      code: "TOO_MANY_ATTEMPTS",
    });
  });

  it("cannot be passed by a burst: at most one more than allowed is looked at", async () => {
    const { throttle } = await setUp();
    let looked = 0;
    const guess = async () => {
      looked++;
      await new Promise((resolve) => setImmediate(resolve));
      return undefined;
    };
    const burst = await Promise.allSettled(
      Array.from({ length: 150 }, () => throttle.attempt("alice", "a", guess)),
    );
    expect(looked).toBeGreaterThanOrEqual(5);
    expect(looked).toBeLessThanOrEqual(6);
    for (const one of burst) {
      if (one.status === "rejected") expect(one.reason).toMatchObject({ code: "TOO_MANY_ATTEMPTS" });
    }
  });

  it("counts every failure that several servers see at once", async () => {
    const { throttle, other, store } = await setUp();
    const second = other();
    const failing = Array.from({ length: 16 }, (_, n) =>
      (n % 2 ? throttle : second).attempt(`user${n}`, "a", async () => undefined),
    );
    await Promise.all(failing);
    const [item] = await store.query<{ address: object }>({ pk: "attempts#a", limit: 1 });
    expect(item?.data.address).toMatchObject({ failures: 16 });
  });

  it("locks nobody out when the clock is set back", async () => {
    const { clock, fail, held } = await setUp();
    for (let n = 0; n < 12; n++) {
      await fail("alice", "a");
      clock.now += MINUTE;
    }
    clock.now -= 24 * 60 * MINUTE;
    expect(await held("alice", "a")).toBe(0);
    await fail("alice", "a");
    expect(await held("alice", "a")).toBe(0);
  });
});
