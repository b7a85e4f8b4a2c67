import { createHook } from "node:async_hooks";
import { describe, expect, it } from "vitest";
import { QUICK_PASSWORDS } from "#test/support/quick-passwords.ts";
import { temporaryStore } from "#test/support/temporary-store.ts";
import { Accounts } from "./accounts.ts";

const PASSWORD = "correct horse";
const NOW = 1_800_000_000_000;
const notFound = { code: "EDGE_NOT_FOUND", message: "There is no such edge" };

async function setUp() {
  const { store, another } = await temporaryStore();
  const accounts = new Accounts(store, { now: () => NOW, passwordCost: QUICK_PASSWORDS });
  return {
    store,
    accounts,
    other: () => new Accounts(another(), { now: () => NOW, passwordCost: QUICK_PASSWORDS }),
  };
}

/** How many scrypt hashes Node starts while `call` runs. */
async function hashes(call: () => Promise<unknown>): Promise<number> {
  let count = 0;
  const hook = createHook({
    init(_id, type) {
      if (type === "SCRYPTREQUEST") count++;
    },
  }).enable();
  try {
    await call();
  } finally {
    hook.disable();
  }
  return count;
}

describe("users", () => {
  it("are added, found, listed in order and removed", async () => {
    const { accounts } = await setUp();
    const bob = await accounts.addUser("bob", PASSWORD);
    await accounts.addUser("alice", PASSWORD);
    expect(bob).toEqual({ name: "bob", uid: expect.any(String), generation: 1, createdAt: NOW });
    expect(await accounts.getUser("bob")).toEqual(bob);
    expect((await accounts.listUsers()).map(({ name, edges }) => [name, edges])).toEqual([
      ["alice", []],
      ["bob", []],
    ]);
    await accounts.removeUser("bob");
    expect(await accounts.getUser("bob")).toBeUndefined();
    expect(await accounts.verifyPassword("bob", PASSWORD)).toBeUndefined();
    await expect(accounts.removeUser("bob")).rejects.toMatchObject({ code: "USER_NOT_FOUND" });
  });

  it("never show their password", async () => {
    const { accounts, store } = await setUp();
    await accounts.addUser("alice", PASSWORD);
    const shown = JSON.stringify([
      await accounts.listUsers(),
      await accounts.getUser("alice"),
      await accounts.verifyPassword("alice", PASSWORD),
    ]);
    expect(shown).not.toContain("scrypt");
    expect(JSON.stringify(await store.query({ pk: "users", limit: 10 }))).not.toContain(PASSWORD);
  });

  it.each(["", "Alice", "al-ice", "alice ", "älice", "a".repeat(33), "_operator", "../etc", "alice\n"])(
    "cannot be called %j, and asking for one is no error",
    async (name) => {
      const { accounts } = await setUp();
      await expect(accounts.addUser(name, PASSWORD)).rejects.toMatchObject({ code: "INVALID_PARAMETERS" });
      expect(await accounts.getUser(name)).toBeUndefined();
      expect(await accounts.verifyPassword(name, PASSWORD)).toBeUndefined();
    },
  );

  it("need a good password, and a name that is free", async () => {
    const { accounts } = await setUp();
    await expect(accounts.addUser("alice", "short")).rejects.toMatchObject({ code: "INVALID_PARAMETERS" });
    expect(await accounts.listUsers()).toEqual([]);
    await accounts.addUser("alice", PASSWORD);
    await expect(accounts.addUser("alice", "another one")).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    expect(await accounts.verifyPassword("alice", PASSWORD)).toMatchObject({ name: "alice" });
  });

  it("are made once when two operators make one at once", async () => {
    const { accounts, other } = await setUp();
    const second = other();
    const made = await Promise.allSettled([
      accounts.addUser("alice", "password one"),
      second.addUser("alice", "password two"),
    ]);
    expect(made.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    const password = made[0].status === "fulfilled" ? "password one" : "password two";
    expect(await accounts.verifyPassword("alice", password)).toMatchObject({ name: "alice" });
  });

  it("cost one hash to check, known or not, so that the time tells nothing", async () => {
    const { accounts } = await setUp();
    await accounts.addUser("alice", PASSWORD);
    expect(await hashes(() => accounts.verifyPassword("alice", PASSWORD))).toBe(1);
    expect(await hashes(() => accounts.verifyPassword("alice", "wrong password"))).toBe(1);
    expect(await hashes(() => accounts.verifyPassword("nobody", PASSWORD))).toBe(1);
    expect(await hashes(() => accounts.verifyPassword("no user at all", PASSWORD))).toBe(1);
    expect(await hashes(() => accounts.verifyPassword("alice", ""))).toBe(1);
  });

  it("get a new generation with a new password", async () => {
    const { accounts } = await setUp();
    const before = await accounts.addUser("alice", PASSWORD);
    await accounts.setPassword("alice", "a new password");
    expect(await accounts.verifyPassword("alice", PASSWORD)).toBeUndefined();
    expect(await accounts.verifyPassword("alice", "a new password")).toEqual({ ...before, generation: 2 });
    await expect(accounts.setPassword("alice", "short")).rejects.toMatchObject({
      code: "INVALID_PARAMETERS",
    });
    await expect(accounts.setPassword("bob", PASSWORD)).rejects.toMatchObject({ code: "USER_NOT_FOUND" });
  });

  it("made again under the same name are someone else, with no grants", async () => {
    const { accounts } = await setUp();
    await accounts.addEdge("em1");
    await accounts.addEdge("em2");
    const before = await accounts.addUser("alice", PASSWORD, { edges: ["em1", "em2"] });
    await accounts.setDefaultEdge("alice", "em2");
    await accounts.removeUser("alice");
    const after = await accounts.addUser("alice", PASSWORD);
    expect(after.uid).not.toBe(before.uid);
    expect(after.defaultEdge).toBeUndefined();
    await expect(accounts.resolveEdge("alice", "em1")).rejects.toMatchObject(notFound);
  });
});

describe("edges and their agents' tokens", () => {
  it("have one token each, of which only a hash is kept", async () => {
    const { accounts, store } = await setUp();
    const { token } = await accounts.addEdge("em2");
    await accounts.addEdge("em1");
    expect(token).toMatch(/^pga_[\w-]{43}$/);
    expect(await accounts.edgeOfToken(token)).toBe("em2");
    expect(await accounts.listEdges()).toEqual([
      { id: "em1", createdAt: NOW, tokenCreatedAt: NOW },
      { id: "em2", createdAt: NOW, tokenCreatedAt: NOW },
    ]);
    expect(JSON.stringify(await store.query({ pk: "edges", limit: 10 }))).not.toContain(token.slice(4));
  });

  it("end with rotation and revocation at once", async () => {
    const { accounts } = await setUp();
    const first = await accounts.addEdge("em");
    const neighbour = await accounts.addEdge("em2");
    const second = await accounts.rotateEdgeToken("em");
    expect(await accounts.edgeOfToken(first.token)).toBeUndefined();
    expect(await accounts.edgeOfToken(second.token)).toBe("em");
    await accounts.revokeEdgeToken("em");
    await accounts.revokeEdgeToken("em");
    expect(await accounts.edgeOfToken(second.token)).toBeUndefined();
    expect((await accounts.listEdges())[0]).toEqual({ id: "em", createdAt: NOW });
    const third = await accounts.rotateEdgeToken("em");
    expect(await accounts.edgeOfToken(third.token)).toBe("em");
    expect(await accounts.edgeOfToken(neighbour.token)).toBe("em2");
    await expect(accounts.rotateEdgeToken("none")).rejects.toMatchObject(notFound);
    await expect(accounts.revokeEdgeToken("No Edge")).rejects.toMatchObject(notFound);
  });

  it("accept nothing that is no token", async () => {
    const { accounts } = await setUp();
    const { token } = await accounts.addEdge("em");
    for (const bad of [
      "",
      "pga_",
      token.slice(0, -1),
      `${token} `,
      token.toUpperCase(),
      `pga_${"a".repeat(43)}`,
    ]) {
      expect(await accounts.edgeOfToken(bad)).toBeUndefined();
    }
  });

  it("leave one valid token when two operators rotate at once", async () => {
    const { accounts, other } = await setUp();
    const { token } = await accounts.addEdge("em");
    const second = other();
    const made = await Promise.all(
      Array.from({ length: 10 }, (_, n) => (n % 2 ? accounts : second).rotateEdgeToken("em")),
    );
    const valid = [];
    for (const one of [token, ...made.map((rotated) => rotated.token)]) {
      if ((await accounts.edgeOfToken(one)) === "em") valid.push(one);
    }
    expect(valid).toHaveLength(1);
  });

  it.each(["", "EM", "-em", "em-", "e m", "a".repeat(64), "em#1"])("cannot be called %j", async (id) => {
    const { accounts } = await setUp();
    await expect(accounts.addEdge(id)).rejects.toMatchObject({ code: "INVALID_PARAMETERS" });
    expect(await accounts.listEdges()).toEqual([]);
  });

  it("are all there when operators add them at once, and none twice", async () => {
    const { accounts, other } = await setUp();
    const second = other();
    const ids = Array.from({ length: 20 }, (_, n) => `em${n}`);
    const made = await Promise.allSettled(
      [...ids, ...ids].map((id, n) => (n < 20 ? accounts : second).addEdge(id)),
    );
    expect(made.filter(({ status }) => status === "fulfilled")).toHaveLength(20);
    for (const one of made) {
      if (one.status === "rejected") expect(one.reason).toMatchObject({ code: "ALREADY_EXISTS" });
      else expect(await accounts.edgeOfToken(one.value.token)).toMatch(/^em\d+$/);
    }
    expect((await accounts.listEdges()).map(({ id }) => id)).toEqual(ids.sort());
  });
});

describe("grants", () => {
  async function withEdges(...edges: string[]) {
    const parts = await setUp();
    for (const edge of edges) await parts.accounts.addEdge(edge);
    return parts;
  }
  const granted = async (accounts: Accounts) => (await accounts.listUsers())[0]?.edges;

  it("give a new user the only edge, or those named, or none", async () => {
    const { accounts } = await withEdges("em1");
    await accounts.addUser("first", PASSWORD);
    await accounts.addEdge("em2");
    await accounts.addUser("second", PASSWORD);
    await accounts.addUser("third", PASSWORD, { edges: ["em2", "em2"] });
    expect((await accounts.listUsers()).map(({ edges }) => edges)).toEqual([["em1"], [], ["em2"]]);
    await expect(accounts.addUser("fourth", PASSWORD, { edges: ["em1", "em3"] })).rejects.toMatchObject(
      notFound,
    );
    expect(await accounts.getUser("fourth")).toBeUndefined();
  });

  it("may be many", async () => {
    const edges = Array.from({ length: 60 }, (_, n) => `em${n}`);
    const { accounts, store } = await withEdges(...edges);
    const { uid } = await accounts.addUser("alice", PASSWORD, { edges });
    expect(await granted(accounts)).toEqual(edges.sort());
    await accounts.removeUser("alice");
    expect(await store.query({ pk: `grants#${uid}`, limit: 100 })).toEqual([]);
  });

  it("are given and taken, once each", async () => {
    const { accounts } = await withEdges("em1", "em2");
    await accounts.addUser("alice", PASSWORD);
    await accounts.grant("em1", "alice");
    await accounts.grant("em1", "alice");
    await accounts.grant("em2", "alice");
    expect(await granted(accounts)).toEqual(["em1", "em2"]);
    await accounts.revoke("em1", "alice");
    expect(await granted(accounts)).toEqual(["em2"]);
    await expect(accounts.revoke("em1", "alice")).rejects.toMatchObject(notFound);
    await expect(accounts.grant("em3", "alice")).rejects.toMatchObject(notFound);
    await expect(accounts.grant("em1", "bob")).rejects.toMatchObject({ code: "USER_NOT_FOUND" });
  });

  it("by operators at once lose nothing", async () => {
    const edges = Array.from({ length: 12 }, (_, n) => `em${String(n).padStart(2, "0")}`);
    const { accounts, other } = await withEdges(...edges);
    const second = other();
    const before = await accounts.addUser("alice", PASSWORD, { edges: ["em00", "em01"] });
    await Promise.all([
      ...edges.slice(2).map((edge, n) => (n % 2 ? accounts : second).grant(edge, "alice")),
      second.setDefaultEdge("alice", "em01"),
      accounts.setPassword("alice", "a new password"),
      second.revoke("em00", "alice"),
    ]);
    expect((await accounts.listUsers())[0]).toEqual({
      ...before,
      generation: 2,
      defaultEdge: "em01",
      edges: edges.slice(1),
    });
  });

  it("never leave a default edge that was taken meanwhile", async () => {
    const { accounts, other } = await withEdges("em1", "em2");
    const second = other();
    await accounts.addUser("alice", PASSWORD, { edges: ["em1", "em2"] });
    for (let n = 0; n < 20; n++) {
      await accounts.grant("em1", "alice");
      await Promise.allSettled([accounts.setDefaultEdge("alice", "em1"), second.revoke("em1", "alice")]);
      const user = (await accounts.listUsers())[0]!;
      if (user.defaultEdge) expect(user.edges).toContain(user.defaultEdge);
    }
  });

  describe("decide which edge a request means", () => {
    it("the header's, else the default, else the only one", async () => {
      const { accounts } = await withEdges("em1", "em2", "em3");
      await accounts.addUser("alice", PASSWORD, { edges: ["em1"] });
      expect(await accounts.resolveEdge("alice", undefined)).toBe("em1");
      expect(await accounts.resolveEdge("alice", "")).toBe("em1");
      await accounts.grant("em2", "alice");
      await expect(accounts.resolveEdge("alice", undefined)).rejects.toMatchObject({
        code: "INVALID_PARAMETERS",
        message: expect.stringContaining("Perigee-Edge"),
      });
      expect(await accounts.resolveEdge("alice", "em2")).toBe("em2");
      await accounts.setDefaultEdge("alice", "em1");
      expect(await accounts.resolveEdge("alice", undefined)).toBe("em1");
      expect(await accounts.resolveEdge("alice", "em2")).toBe("em2");
      await accounts.revoke("em1", "alice");
      expect(await accounts.resolveEdge("alice", undefined)).toBe("em2");
      await accounts.revoke("em2", "alice");
      await expect(accounts.resolveEdge("alice", undefined)).rejects.toMatchObject({
        code: "EDGE_NOT_FOUND",
      });
    });

    it("with one answer for all edges that the user does not have", async () => {
      const { accounts } = await withEdges("em1", "em2");
      await accounts.addUser("alice", PASSWORD, { edges: ["em1"] });
      await accounts.addUser("bob", PASSWORD, { edges: ["em2"] });
      for (const header of ["em2", "none", "EM1", "em1 ", "em1,em2", "*", "a".repeat(5000), "em1\u0000"]) {
        await expect(accounts.resolveEdge("alice", header)).rejects.toMatchObject(notFound);
      }
      await expect(accounts.setDefaultEdge("alice", "em2")).rejects.toMatchObject(notFound);
      await expect(accounts.resolveEdge("nobody", "em1")).rejects.toMatchObject(notFound);
    });
  });
});
