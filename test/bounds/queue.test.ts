import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LIMITS } from "#protocol/limits.ts";
import { gate, makeWorld, type UserClient, type World } from "#test/support/world.ts";

let world: World;
const busy = gate();
const began = gate();

beforeAll(async () => {
  world = await makeWorld();
  await world.agent({
    "nodes.status": async () => {
      began.open();
      await busy.passed;
      return { nodes: [] };
    },
  });
});
afterAll(async () => {
  busy.open();
  await world?.close();
});

const queue = (user: UserClient) =>
  user.fetch("/em/nodes/status", { headers: { prefer: "respond-async" } }).then(async (answer) => ({
    status: answer.status,
    retry: answer.headers.get("retry-after"),
    body: (await answer.json()) as { error?: string; data?: { position?: number } },
  }));

describe("the queue of an edge", () => {
  test("takes 20 commands of one user and 100 in all, then 429; a place that is free again is given", async () => {
    const users = LIMITS.queuePerEdge / LIMITS.queuePerUser;
    const full: UserClient[] = [];
    for (let u = 0; u < users; u++) {
      const user = await world.user(`user${u}`);
      if (u === 0) {
        // one that runs is not in the queue any more
        expect((await queue(user)).status).toBe(202);
        await began.passed;
      }
      const answers = await Promise.all(Array.from({ length: LIMITS.queuePerUser }, () => queue(user)));
      expect(answers.map(({ status }) => status)).toEqual(Array(LIMITS.queuePerUser).fill(202));
      full.push(user);
      if (u > 0) continue;
      const over = await queue(user);
      expect(over).toMatchObject({ status: 429, body: { error: "QUEUE_FULL" } });
      expect(Number(over.retry)).toBeGreaterThan(0);
    }
    expect((await world.ground.ledger.lane("em1")).queue).toHaveLength(LIMITS.queuePerEdge);

    // one more user, with no command of its own yet
    const late = await world.user("late");
    expect(await queue(late)).toMatchObject({ status: 429, body: { error: "QUEUE_FULL" } });
    const upload = await late.uplink({ a: "a" }, {}, { prefer: "respond-async" });
    expect({ status: upload.status, body: await upload.json() }).toMatchObject({
      status: 429,
      body: { error: "QUEUE_FULL" },
    });
    expect(await world.ground.staging.usage("uplink/")).toBe(0);
    const { data } = (await (await late.fetch("/commands")).json()) as { data: unknown[] };
    expect(data).toEqual([]);

    // a place that is free again is given
    const { data: own } = (await (await full[0]!.fetch("/commands?limit=1")).json()) as {
      data: { command_id: string }[];
    };
    const cancelled = await full[0]!.fetch(`/commands/${own[0]!.command_id}/cancel`, { method: "POST" });
    expect(cancelled.status).toBe(200);
    expect((await queue(late)).status).toBe(202);
    expect((await queue(late)).status).toBe(429);
  });
});
