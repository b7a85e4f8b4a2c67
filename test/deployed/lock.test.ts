import { afterAll, beforeAll, expect, test } from "vitest";
import type { Command } from "#lambdas/ledger/command.ts";
import { type DeployedEdge, deployedEdge } from "./support/deployed-edge.ts";

const REQUESTS = 200;
const IN_FLIGHT = 20;

/** Commands in the order in which the edge began and ended them. */
const events: { id: string; what: "begin" | "end" }[] = [];
let at: DeployedEdge;
beforeAll(async () => {
  at = await deployedEdge(
    {
      "nodes.status": async ({ command }) => {
        events.push({ id: command.id, what: "begin" });
        await new Promise((done) => setTimeout(done, 20));
        events.push({ id: command.id, what: "end" });
        return { nodes: [] };
      },
    },
    4,
  );
  // as many Lambdas as will be asked at once: what is tested is how they meet, not how they start
  const { client } = at.users[0]!;
  await Promise.all(Array.from({ length: IN_FLIGHT }, () => client.get("/healthz")));
});
afterAll(() => at.close());

async function history(): Promise<Command[]> {
  const pages = await Promise.all(at.users.map(({ name }) => at.ledger.commands(name, { limit: 1000 })));
  return pages.flat();
}

test("200 requests through Lambda, 20 in flight: never two lock holders, the rest 423", async () => {
  const statuses: number[] = [];
  const others: string[] = [];
  let sent = 0;
  const worker = async (n: number) => {
    const { client } = at.users[n % at.users.length]!;
    while (sent < REQUESTS) {
      sent++;
      const answer = await client.request("GET", "/em/nodes/status", { lockIsAnswer: true });
      statuses.push(answer.status);
      if (![200, 423, 503].includes(answer.status)) others.push(`${answer.status} ${answer.text}`);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, (_, n) => worker(n)));
  expect(statuses).toHaveLength(REQUESTS);
  const answered = statuses.filter((status) => status === 200).length;
  expect(answered).toBeGreaterThan(0);
  // On a machine that cannot keep up, a call that the edge has not taken in time is withdrawn: 503.
  const withdrawn = statuses.filter((status) => status === 503).length;
  expect(withdrawn).toBeLessThan(REQUESTS / 10);
  // Lambda's own word under load, in place of the ground's, may come for a few; the ground's own is none of these.
  expect(others.filter((text) => !/^50[02] (?!.*"code")/s.test(text))).toEqual([]);
  expect(others.length).toBeLessThan(REQUESTS / 10);

  // The ledger's own word: every answer has its command, refused ones left none (an answer that Lambda kept back may
  // have one), and none began before the one before it had ended.
  const all = await history();
  expect(all.filter(({ state }) => state === "expired")).toHaveLength(withdrawn);
  const commands = all.filter(({ state }) => state === "succeeded");
  const keptBack = commands.length - answered;
  expect(keptBack).toBeGreaterThanOrEqual(0);
  expect(keptBack).toBeLessThanOrEqual(others.length);
  expect(all).toHaveLength(commands.length + withdrawn);
  const inOrder = commands.toSorted((a, b) => a.claimedAt! - b.claimedAt!);
  for (const [i, { claimedAt, endedAt }] of inOrder.entries()) {
    expect(endedAt).toBeGreaterThanOrEqual(claimedAt!);
    if (i > 0) expect(claimedAt).toBeGreaterThanOrEqual(inOrder[i - 1]!.endedAt!);
  }
  // And the edge's: each once, one at a time.
  expect(new Set(events.map(({ id }) => id)).size).toBe(commands.length);
  for (let i = 0; i < events.length; i += 2) {
    expect(events.slice(i, i + 2)).toEqual([
      { id: events[i]!.id, what: "begin" },
      { id: events[i]!.id, what: "end" },
    ]);
  }
});
