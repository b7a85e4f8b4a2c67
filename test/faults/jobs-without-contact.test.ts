import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { em } from "#lambdas/dialects/em/dialect.ts";
import { kabuto } from "#lambdas/dialects/kabuto/dialect.ts";
import { openSession } from "#lambdas/dialects/kabuto/sessions.ts";
import type { Command } from "#lambdas/ledger/command.ts";
import { client, type KabutoClient } from "#test/dialects/kabuto/support/kabuto-ground.ts";
import { filesOfZip } from "#test/support/job-rig.ts";
import { JobWorld } from "#test/support/job-world.ts";

const EIGHT = Array.from({ length: 8 }, (_, n) => n);
/** A shell as PID 1 takes no SIGTERM: only a kill ends it. */
const ENDLESS = "while :; do sleep 1; done";

let jobs: JobWorld;
let ann: KabutoClient;
beforeAll(async () => {
  jobs = await JobWorld.create({ ground: { dialects: [em, kabuto] } });
  const { url, ground } = jobs.world;
  const { core } = ground.dialects.find(({ dialect }) => dialect === kabuto)!;
  const account = (await core.users.stored("ann"))!;
  ann = client(url, `session=${await openSession(core, account)}`);
});
afterAll(() => jobs.close());

async function image(): Promise<void> {
  const { build_id } = await ann.post("/image", { name: "base", dockerfile: "FROM busybox\n" });
  const built = async () => (await ann.get(`/image/build/${build_id}?wait=25`)).state;
  await expect.poll(built).toBe("SUCCESS");
}

type Submitted = { path: string; id: number; command: Command };

/** A pipeline of jobs that run these scripts, submitted. */
async function pipeline(scripts: readonly string[]): Promise<Submitted[]> {
  const { id: of } = await ann.post("/pipeline", { name: "p" });
  const made: number[] = [];
  for (const command of scripts) {
    const { id } = await ann.post(`/pipeline/${of}/job`, { image_id: "1", command });
    made.push(id as number);
  }
  await ann.post(`/pipeline/${of}/submit`);
  // the newest is first
  const commands = await jobs.world.ground.ledger.commands("ann", { limit: made.length });
  return made.map((id, n) => ({ path: `/pipeline/${of}/job/${id}`, id, command: commands.at(-1 - n)! }));
}

const isStarted = ({ command }: Submitted) => existsSync(join(jobs.outbox(command), "starts"));
const inPhase = ({ command }: Submitted, phase: string) =>
  jobs.until(command, ({ progress }) => progress?.phase === phase);
const letGo = ({ command }: Submitted) => writeFileSync(join(jobs.outbox(command), "go"), "");

/** SIGKILL of the agent; its next life waits for the ground. */
async function killAgent(times: number): Promise<void> {
  await jobs.agent.kill();
  await jobs.agent.launch();
  await jobs.agent.said(/waiting for the ground/, times);
}

test("eight claimed jobs run once each and in order, though the agent dies twice without contact; a kill and a delete count", async () => {
  await image();
  const gated = "until [ -e /outbox/go ]; do sleep 0.1; done";
  const eight = await pipeline(
    EIGHT.map((n) => `echo said ${n}; echo x >> /outbox/starts; ${n < 2 ? gated : "true"}`),
  );
  const [first, second] = eight as [Submitted, Submitted];
  const [killed, deleted] = [await pipeline([ENDLESS]), await pipeline([ENDLESS])].flat() as [
    Submitted,
    Submitted,
  ];
  for (const one of [first, killed, deleted]) await inPhase(one, "running");
  for (const one of eight.slice(1)) await inPhase(one, "waiting");

  // The first life goes on without contact; the later ones know of no command before it is back.
  jobs.contact.cut();
  letGo(first);
  await expect.poll(() => isStarted(second)).toBe(true);
  await killAgent(1);
  letGo(second);
  expect(await ann.get(`${killed.path}/kill`)).toEqual({ message: "Success" });
  expect(await ann.delete(deleted.path)).toEqual({ message: "Successfully deleted job" });
  await killAgent(2);
  jobs.contact.mend();

  const ends = [];
  for (const { command } of eight) ends.push(await jobs.end(command));
  for (const [n, { path, id }] of eight.entries()) {
    const view = await ann.get(path);
    expect(view[id]).toMatchObject({ state: "done", response: 0, reason: "Completed" });
    const zip = join(jobs.world.data, `${id}.zip`);
    writeFileSync(zip, Buffer.from(await (await ann.send(`${path}?result`)).arrayBuffer()));
    expect(filesOfZip(zip)).toMatchObject({ starts: "x\n" });
    expect(await ann.get(`/execution/${id}/logs`)).toMatchObject([{ job: id, logline: `said ${n}` }]);
    if (n > 0) expect(ends[n]!.startedAt).toBeGreaterThanOrEqual(ends[n - 1]!.finishedAt!);
  }

  expect(await jobs.end(killed.command)).toMatchObject({ state: "done", reason: "Killed", exitCode: 137 });
  const view = await ann.get(killed.path);
  expect(view[killed.id]).toMatchObject({ state: "done", reason: "Killed", response: 137 });
  expect(await jobs.end(deleted.command)).toMatchObject({ reason: "Killed" });
  for (const { command } of [killed, deleted]) {
    await expect.poll(() => jobs.containers(command)).toEqual([]);
    expect(existsSync(jobs.outbox(command))).toBe(false);
  }
  expect(await ann.get(deleted.path)).toEqual({});
});
