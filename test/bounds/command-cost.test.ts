import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { IncomingMessage } from "node:http";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { SqliteStore } from "#lambdas/adapters/sqlite/store.ts";
import type { Key, Query, Write } from "#lambdas/ports/ledger-store.ts";
import { makeWorld, type World } from "../support/world.ts";

/** Long enough that nothing looks or tells by the clock, however slow the machine is. */
const NEVER_MS = 3600_000;

const TRIES = 5;

let world: World;
beforeEach(async () => {
  world = await makeWorld({ waiting: { pollMs: NEVER_MS } });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await world.close();
});

/** What a call of the store is about: the kind of the item, without ids. */
const kindOf = ({ pk, sk }: Key) => (pk.startsWith("edge#") ? sk : pk.replace(/#.*/, ""));

test("a small command takes 4 requests, 3 commits and 15 reads of the ledger", async () => {
  const requests: string[] = [];
  const onRequest = (message: unknown) => {
    const { method, url } = (message as { request: IncomingMessage }).request;
    requests.push(`${method} ${url?.replace(/\?.*/, "")}`);
  };
  const calls: string[] = [];
  const { get, query, transact } = SqliteStore.prototype;
  vi.spyOn(SqliteStore.prototype, "get").mockImplementation(function (this: SqliteStore, key: Key) {
    calls.push(`get ${kindOf(key)}`);
    return get.call(this, key) as never;
  });
  vi.spyOn(SqliteStore.prototype, "query").mockImplementation(function (this: SqliteStore, of: Query) {
    calls.push(`query ${of.pk.replace(/#.*/, "")}`);
    return query.call(this, of) as never;
  });
  vi.spyOn(SqliteStore.prototype, "transact").mockImplementation(function (
    this: SqliteStore,
    writes: Write[],
  ) {
    calls.push(
      `commit ${writes.map((write) => kindOf("put" in write ? write.put : pkOf(write))).join(", ")}`,
    );
    return transact.call(this, writes);
  });
  subscribe("http.server.request.start", onRequest);
  try {
    const alice = await world.user("alice");
    await world.agent(
      { "nodes.status": async () => ({ nodes: [] }) },
      { pollMs: NEVER_MS, progressMs: NEVER_MS },
    );
    const doorbells = () => requests.filter((request) => request === "GET /agent/doorbell").length;
    const tokens = () => calls.filter((call) => call === "get agent-token").length;
    const atLeast = (count: () => number, n: number) =>
      expect.poll(count, { timeout: 60_000 }).toBeGreaterThanOrEqual(n);
    // start, heartbeat and claim of the agent, which listens then
    await atLeast(tokens, 4);
    const command = async () => {
      requests.length = 0;
      calls.length = 0;
      const answer = await alice.fetch("/em/nodes/status");
      expect(answer.status).toBe(200);
      await answer.text();
      await atLeast(doorbells, 1);
      await atLeast(tokens, 3);
    };
    // the first one names the lane in the edge's state
    await command();
    await command();
    // a wait at the doorbell that was over in the middle of it is one request more
    for (let more = 0; more < TRIES && requests.length > 4; more++) await command();
    expect(requests.toSorted()).toEqual([
      "GET /agent/doorbell",
      "GET /em/nodes/status",
      "POST /agent/claim",
      "POST /agent/report",
    ]);
    expect(calls.toSorted()).toEqual(
      [
        // who asks, and for which edge
        ...["get users", "get users", "query grants"],
        ...["get lane#em", "get heartbeat", "get agent", "commit lane#em, commands"],
        // the count of changed pools comes in the request that brings the lanes
        ...[
          "get agent-token",
          "get state",
          "get lane#em",
          "get pools",
          "get agent",
          "commit lane#em, commands",
        ],
        ...["get agent-token", "get lane#em", "get commands", "commit lane#em, commands"],
        // the doorbell's
        "get agent-token",
      ].sort(),
    );
  } finally {
    unsubscribe("http.server.request.start", onRequest);
  }
});

function pkOf(write: Write): Key {
  return "delete" in write ? write.delete : (write as { check: Key }).check;
}
