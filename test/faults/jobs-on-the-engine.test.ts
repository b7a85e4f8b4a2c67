import { existsSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { em } from "#lambdas/dialects/em/dialect.ts";
import { kabuto } from "#lambdas/dialects/kabuto/dialect.ts";
import { openSession } from "#lambdas/dialects/kabuto/sessions.ts";
import type { Command } from "#lambdas/ledger/command.ts";
import { KabutoClient } from "#test/contract/kabuto/support/client.ts";
import { begun, built, ended, job, pipeline } from "#test/contract/kabuto/support/work.ts";
import { JobWorld } from "#test/support/job-world.ts";

const ENDLESS = "sh -c 'echo up; while :; do sleep 1; done'";

let jobs: JobWorld;
let ann: KabutoClient;
let image: string;
beforeAll(async () => {
  jobs = await JobWorld.create({ ground: { dialects: [em, kabuto] } });
  const { url, ground } = jobs.world;
  const { core } = ground.dialects.find(({ dialect }) => dialect === kabuto)!;
  const account = (await core.users.stored("ann"))!;
  ann = new KabutoClient(url, `session=${await openSession(core, account)}`);
  image = String((await built(ann, { dockerfile: "FROM busybox\n" })).id);
});
afterAll(() => jobs.close());

type Submitted = { of: string; id: number; command: Command };

/** A job in a pipeline of its own, submitted. */
async function submitted(command: string): Promise<Submitted> {
  const of = await pipeline(ann);
  const id = await job(ann, of, { image_id: image, command });
  await ann.post(`${of}/submit`);
  const [newest] = await jobs.world.ground.ledger.commands("ann", { limit: 1 });
  return { of, id, command: newest! };
}

test("beside four containers of jobs the EM's commands do all that they do; no job takes its lock", async () => {
  const four = [];
  for (let n = 0; n < 4; n++) four.push(await submitted(ENDLESS));
  for (const { of, id } of four) expect(await begun(ann, of, id)).toMatchObject({ state: "running" });
  for (const { command } of four) expect(await jobs.containers(command)).toHaveLength(1);

  const { client } = jobs;
  const of = { pod_name: "work" };
  const form = (path: string, fields: Record<string, string>) =>
    client.fetch(path, { method: "POST", body: new URLSearchParams(fields) });
  const get = (path: string) => client.fetch(`${path}?${new URLSearchParams(of)}`);
  expect((await client.uplink({ note: "from the ground\n" }, of)).status).toBe(200);
  const run = { ...of, image: "busybox:latest", node: "MPU", max_duration: "5", command: "cat /data/note" };
  expect((await form("/em/pod/run", run)).status).toBe(200);
  const status = async () => (await get("/em/pod/status")).text();
  await expect.poll(status).toMatch(/"terminated":.*"exitCode":0\b/);
  const log = await get("/em/pod/logs");
  expect([log.status, await log.text()]).toEqual([200, "from the ground\n"]);
  expect(await (await get("/em/files/list")).text()).toContain("note");
  expect((await client.fetch("/em/nodes/status")).status).toBe(200);

  // and the jobs know nothing of it
  for (const { of, id, command } of four) {
    expect(await ann.get(`${of}/job/${id}`)).toMatchObject({ [id]: { state: "running" } });
    expect(await jobs.containers(command)).toHaveLength(1);
    expect(await ann.get(`${of}/job/${id}/kill`)).toEqual({ message: "Success" });
  }
  for (const { of, id } of four) expect(await ended(ann, of, id)).toMatchObject({ reason: "Killed" });
});

test("an edge that is reset under a running job: Interrupted, nothing of it stays, and the next one runs", async () => {
  const lost = await submitted(ENDLESS);
  expect(await begun(ann, lost.of, lost.id)).toMatchObject({ state: "running" });
  const reset = await jobs.world.ground.ledger.resetEdge("em1");
  expect(reset.map(({ id }) => id)).toEqual([lost.command.id]);
  expect(await ended(ann, lost.of, lost.id)).toMatchObject({
    state: "failed",
    reason: "Interrupted",
    response: -1,
  });
  const refused = { error: "Job has not finished running, or has failed" };
  expect(await ann.get(`${lost.of}/job/${lost.id}?result`)).toEqual(refused);

  const next = await submitted("true");
  expect(await ended(ann, next.of, next.id)).toMatchObject({ state: "done", response: 0 });
  await expect.poll(() => jobs.containers(lost.command)).toEqual([]);
  await expect.poll(() => existsSync(jobs.outbox(lost.command))).toBe(false);
});
