import { expect, test } from "vitest";
import { QUICK_PASSWORDS } from "#test/support/quick-passwords.ts";
import { temporaryStore } from "#test/support/temporary-store.ts";
import { Accounts } from "./accounts.ts";
import { RecentAccounts } from "./recent-accounts.ts";

const PASSWORD = "correct horse";
const MS = 10_000;

async function setUp() {
  const { store } = await temporaryStore();
  const clock = { now: Date.UTC(2026, 0, 1), reads: 0 };
  const now = () => clock.now;
  const counted = Object.assign(Object.create(store) as typeof store, {
    get: (key: Parameters<typeof store.get>[0]) => {
      clock.reads++;
      return store.get(key);
    },
    query: (query: Parameters<typeof store.query>[0]) => {
      clock.reads++;
      return store.query(query);
    },
  });
  const accounts = new Accounts(store, { now, passwordCost: QUICK_PASSWORDS });
  const { token } = await accounts.addEdge("em1");
  await accounts.addUser("alice", PASSWORD);
  return {
    accounts,
    clock,
    token,
    recent: new RecentAccounts(new Accounts(counted, { now }), { ms: MS, now }),
  };
}

test("what was read is believed for its time, then read again", async () => {
  const { recent, clock, token } = await setUp();
  const ask = async () => {
    clock.reads = 0;
    await recent.getUser("alice");
    expect(await recent.resolveEdge("alice", undefined)).toBe("em1");
    expect(await recent.edgeOfToken(token)).toBe("em1");
    return clock.reads;
  };
  expect(await ask()).toBe(3);
  clock.now += MS - 1;
  expect(await ask()).toBe(0);
  clock.now += 1;
  expect(await ask()).toBe(3);
});

test("what ends, ends within that time; at once where the clock was set back", async () => {
  const { recent, accounts, clock, token } = await setUp();
  await recent.resolveEdge("alice", "em1");
  await recent.edgeOfToken(token);
  await accounts.revoke("em1", "alice");
  await accounts.revokeEdgeToken("em1");
  await accounts.removeUser("alice");
  expect(await recent.edgeOfToken(token)).toBe("em1");
  clock.now += MS;
  expect(await recent.edgeOfToken(token)).toBeUndefined();
  expect(await recent.getUser("alice")).toBeUndefined();
  await expect(recent.resolveEdge("alice", "em1")).rejects.toMatchObject({ code: "EDGE_NOT_FOUND" });

  await accounts.addUser("bob", PASSWORD);
  await recent.getUser("bob");
  await accounts.removeUser("bob");
  clock.now -= 1;
  expect(await recent.getUser("bob")).toBeUndefined();
});

test("what is new counts at once: an account, a grant, a new password's tokens, a name made again", async () => {
  const { recent, accounts } = await setUp();
  expect(await recent.getUser("bob")).toBeUndefined();
  await accounts.addUser("bob", PASSWORD, { edges: ["em1"] });
  expect(await recent.getUser("bob")).toMatchObject({ generation: 1 });
  await accounts.addEdge("em2");
  await expect(recent.resolveEdge("bob", "em2")).rejects.toMatchObject({ code: "EDGE_NOT_FOUND" });
  await accounts.grant("em2", "bob");
  expect(await recent.resolveEdge("bob", "em2")).toBe("em2");

  await accounts.setPassword("bob", `${PASSWORD}!`);
  expect(await recent.getUser("bob", ({ generation }) => generation === 2)).toMatchObject({ generation: 2 });
  await accounts.removeUser("bob");
  const { uid } = await accounts.addUser("bob", PASSWORD);
  expect(await recent.getUser("bob", (account) => account.uid === uid)).toMatchObject({ uid });
});
