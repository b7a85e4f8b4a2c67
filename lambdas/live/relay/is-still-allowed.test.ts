import { expect, test } from "vitest";
import { temporaryStore } from "#test/support/temporary-store.ts";
import { Accounts } from "../../auth/accounts.ts";
import { isStillAllowed } from "./is-still-allowed.ts";

test("a session goes on for the user who opened it, for as long as its edge is granted", async () => {
  const { store } = await temporaryStore();
  let now = 1_000;
  const accounts = new Accounts(store, { now: () => now });
  await accounts.addEdge("em1");
  await accounts.addEdge("em2");
  await accounts.addUser("ada", "correct horse", { edges: ["em1", "em2"] });
  const deps = {
    users: { find: (name: string) => accounts.getUser(name) },
    resolveEdge: (user: string, edge: string) => accounts.resolveEdge(user, edge),
  };
  const allowed = (edge: string, began: number) => isStillAllowed({ user: "ada", edge, began }, deps);
  now = 2_000;
  expect(await allowed("em1", now)).toBe(true);
  await accounts.revoke("em1", "ada");
  expect([await allowed("em1", now), await allowed("em2", now)]).toEqual([false, true]);
  await accounts.removeUser("ada");
  expect(await allowed("em2", now)).toBe(false);
  now = 3_000;
  await accounts.addUser("ada", "correct horse", { edges: ["em2"] });
  expect([await allowed("em2", 2_000), await allowed("em2", 3_000)]).toEqual([false, true]);
  const away = { ...deps, users: { find: () => Promise.reject(new Error("away")) } };
  await expect(isStillAllowed({ user: "ada", edge: "em2", began: 3_000 }, away)).rejects.toThrow("away");
});
