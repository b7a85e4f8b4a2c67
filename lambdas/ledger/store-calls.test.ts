import { expect, test } from "vitest";
import { MemoryTable } from "#test/support/memory-store.ts";
import { Ledger } from "./ledger.ts";

/**
 * docs/cost.md counts by these: reads in one turn of the event loop are one request to DynamoDB, so a small command
 * takes the user's ground one read and one transaction, the agent's a read and a transaction for its claim and for
 * its report, and the user's ground one read of how it ended.
 */
test("a small command of the EM touches its lane, itself and nothing that other lanes share", async () => {
  const table = new MemoryTable();
  const [user, agent] = [table.open(), table.open()];
  const now = () => Date.UTC(2025, 10, 20);
  const [users, agents] = [new Ledger(user, { now }), new Ledger(agent, { now })];
  const epoch = await agents.startAgent("em1", "j", { version: "0.2.0" });
  await agents.heartbeat("em1", { epoch, nodes: [], usage: {}, free: 1 });
  user.calls.splice(0);
  agent.calls.splice(0);

  const draft = { user: "ann", edge: "em1", operation: "nodes.status", input: {} } as const;
  const { command } = await users.submit(draft, "place");
  expect(user.calls.splice(0)).toEqual([
    "get lane#em",
    "get heartbeat",
    "get agent",
    `transact lane#em ${command.id}`,
  ]);
  await agents.claim("em1", epoch);
  expect(agent.calls.splice(0)).toEqual(["get lane#em", `transact lane#em ${command.id}`]);
  await agents.report("em1", epoch, "ann", command.id, { state: "succeeded", result: { nodes: [] } });
  expect(agent.calls.splice(0)).toEqual([
    "get lane#em",
    `get ${command.id}`,
    `transact lane#em ${command.id}`,
  ]);

  // the claim of an agent that runs many: one read more, in the same request
  const second = (await users.submit(draft, "place")).command;
  await agents.claimMany("em1", { epoch, room: { em: 1 }, turn: 1, have: [] });
  expect(agent.calls).toEqual(["get state", "get lane#em", `transact lane#em ${second.id}`]);
});

test("a claim asks for lanes that were used, by whomever, and for the others no more", async () => {
  const table = new MemoryTable();
  const [user, agent] = [table.open(), table.open()];
  const bounds = { queuePerEdge: 9, queuePerUser: 9 };
  const lanes = ["em", "quick", "slow"].map((name) => {
    return { name, width: 1, order: "first-come" as const, bounds };
  });
  const [users, agents] = [new Ledger(user, { lanes }), new Ledger(agent, { lanes })];
  const epoch = await agents.startAgent("em1", "j", { version: "0.3.0" });
  const claim = async () => {
    agent.calls.splice(0);
    const { commands } = await agents.claimMany("em1", { epoch, room: { em: 1, quick: 1 } });
    return { reads: agent.calls.filter((call) => call.startsWith("get ")), commands };
  };
  expect(await claim()).toEqual({ reads: ["get state", "get lane#em"], commands: [] });

  // the first command of a lane, by another process
  const draft = { user: "ann", edge: "em1", lane: "quick", operation: "nodes.status", input: {} } as const;
  const { command } = await users.submit(draft, "queue");
  const first = await claim();
  expect(first.reads.slice(0, 3)).toEqual(["get state", "get lane#em", "get lane#quick"]);
  expect(first.commands).toMatchObject([{ id: command.id, epoch }]);

  // the next epoch reaches it
  expect(await agents.startAgent("em1", "j", { version: "0.3.0" })).toBe(epoch + 1);
  await expect(agents.claimMany("em1", { epoch, room: { quick: 1 } })).rejects.toMatchObject({
    code: "STALE_EPOCH",
  });
  expect((await agents.lane("em1", "quick")).epoch).toBe(epoch + 1);
  expect((await agents.lane("em1", "slow")).epoch).toBe(epoch + 1);
});
