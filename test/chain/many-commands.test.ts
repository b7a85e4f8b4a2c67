import { afterEach, beforeEach, expect, test } from "vitest";
import type * as z from "zod";
import { em } from "#lambdas/dialects/em/dialect.ts";
import { FIRST_LANE_OPTIONS } from "#lambdas/ledger/lane-options.ts";
import { OPERATION_NAMES } from "#protocol/operations.ts";
import * as wire from "#protocol/wire.ts";
import { laneDialect } from "#test/support/lane-dialect.ts";
import { makeWorld, type World } from "#test/support/world.ts";

const JOBS = {
  ...FIRST_LANE_OPTIONS,
  name: "jobs",
  width: 3,
  fixedWidth: false,
  order: "round-robin",
} as const;

let world: World;
beforeEach(async () => {
  world = await makeWorld({ dialects: [em, laneDialect(JOBS)], widths: { jobs: 2 } });
});
afterEach(() => world.close());

async function agent<T extends z.ZodType>(path: string, body: unknown, schema: T): Promise<z.infer<T>> {
  const answer = await fetch(`${world.url}/agent/${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${world.agentToken}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  expect(answer.status).toBe(200);
  return schema.parse(await answer.json());
}

const begin = async () => {
  const said = { journal: "j", version: "9", operations: OPERATION_NAMES, features: ["grants"] };
  const { epoch, lanes } = await agent("start", said, wire.startResponse);
  await agent("heartbeat", { epoch, nodes: [], usage: {}, free: 1e12 }, wire.heartbeatResponse);
  return { epoch, lanes };
};

test("an agent that runs many: start, claim, progress and report over the wire, and what users see of it", async () => {
  const { epoch, lanes } = await begin();
  expect(lanes).toEqual({ em: 1, jobs: 2 });
  const alice = await world.user("alice");
  const bob = await world.user("bob");
  const submit = async (user: string) => {
    const draft = { user, edge: "em1", lane: "jobs", operation: "volume.delete" } as const;
    return (await world.ground.ledger.submit({ ...draft, input: { volume: "v", path: "x" } }, "queue"))
      .command;
  };
  const [first, second, third] = [await submit("alice"), await submit("bob"), await submit("alice")];

  const room = { em: 1, jobs: 5 };
  const claim = (body: object) => agent("claim", { epoch, room, ...body }, wire.claimResponse);
  const claimed = await claim({ turn: 1, have: [] });
  expect(claimed).toMatchObject({ resumed: [], complete: true, more: false, lanes });
  expect(claimed.commands).toMatchObject([
    { id: first.id, lane: "jobs", order: [epoch, 1], attempts: 1, cancelRequested: false, hasFiles: false },
    { id: second.id, lane: "jobs", order: [epoch, 1] },
  ]);
  // the answer was lost for one of them
  const again = await claim({ turn: 2, have: [first.id] });
  expect(again.resumed.map(({ id }) => id)).toEqual([second.id]);

  const waitsFor = { resource: "volume v", behind: first.id };
  const told = [
    { user: "alice", command: first.id, granted: true },
    { user: "bob", command: second.id, waitsFor: { resource: "volume v" } },
  ];
  const cancel = await bob.fetch(`/commands/${second.id}/cancel`, { method: "POST" });
  expect(cancel.status).toBe(202);
  const noted = await agent("progress", { epoch, commands: told }, wire.progressManyResponse);
  expect(noted).toEqual({ cancel: [second.id], kill: [] });
  const view = async (user: typeof alice, id: string) =>
    ((await (await user.fetch(`/commands/${id}`)).json()) as { data: Record<string, unknown> }).data;
  expect(await view(alice, first.id)).toMatchObject({ state: "running", granted_at: expect.any(String) });
  expect(await view(bob, second.id)).toMatchObject({ waits_for: { resource: "volume v" } });
  expect(await view(alice, third.id)).toMatchObject({ state: "queued", position: 2 });

  const edge = (await (await alice.fetch("/edge")).json()) as { data: Record<string, unknown> };
  expect(edge.data).toMatchObject({
    busy: null,
    queued: 0,
    lanes: [
      { name: "em", width: 1, running: 0, queued: 0 },
      { name: "jobs", width: 2, running: 2, queued: 1 },
    ],
  });

  const done = { state: "succeeded", result: {} };
  const ended = { epoch, user: "bob", command: second.id, lane: "jobs", outcome: done };
  expect(await agent("report", ended, wire.reportResponse)).toEqual({ acknowledged: true, more: true });
  expect(await view(bob, second.id)).toMatchObject({ state: "succeeded" });
  const next = await claim({ turn: 3, have: [first.id] });
  expect(next.commands.map(({ id }) => id)).toEqual([third.id]);
  await agent(
    "progress",
    { epoch, commands: [{ user: "alice", command: third.id, waitsFor }] },
    wire.progressManyResponse,
  );
  expect(await view(alice, third.id)).toMatchObject({
    waits_for: { resource: "volume v", command_id: first.id },
  });
});

test("jobs that fill their lane do not refuse the EM's calls", async () => {
  await world.agent({ "nodes.status": async () => ({ nodes: [] }) });
  const alice = await world.user("alice");
  const job = { user: "bob", edge: "em1", lane: "jobs", operation: "volume.delete" } as const;
  for (let n = 0; n < 5; n++) {
    await world.ground.ledger.submit({ ...job, input: { volume: "v", path: "x" } }, "queue");
  }
  const answer = await alice.fetch("/em/nodes/status");
  expect(answer.status).toBe(200);
});

test("what waited for a later agent, and would be another thing to this one, ends as UNSUPPORTED_OPERATION", async () => {
  const submit = async (space?: string) => {
    const input = { image: "app:1", ...(space && { space }) };
    const draft = { user: "alice", edge: "em1", lane: "jobs", operation: "image.delete", input } as const;
    return (await world.ground.ledger.submit(draft, "queue")).command.id;
  };
  const before = [await submit("kabuto"), await submit(), await submit("kabuto"), await submit()];
  // it knows no spaces
  const { epoch } = await begin();
  const claim = { epoch, turn: 1, have: [], room: { jobs: 4 } };
  const first = await agent("claim", claim, wire.claimResponse);
  expect(first).toMatchObject({ commands: [{ id: before[1] }], resumed: [], more: true });
  const have = [before[1]];
  const second = await agent("claim", { ...claim, turn: 2, have }, wire.claimResponse);
  expect(second).toMatchObject({ commands: [], more: true });
  const third = await agent("claim", { ...claim, turn: 3, have }, wire.claimResponse);
  expect(third).toMatchObject({ commands: [{ id: before[3] }], more: false });
  const alice = await world.user("alice");
  const view = async (id: string) => (await alice.fetch(`/commands/${id}`)).json();
  for (const id of [before[0]!, before[2]!]) {
    expect(await view(id)).toMatchObject({
      data: { state: "failed", error: { code: "UNSUPPORTED_OPERATION" } },
    });
  }
});
