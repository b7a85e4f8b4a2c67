import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { em } from "#lambdas/dialects/em/dialect.ts";
import { kabuto } from "#lambdas/dialects/kabuto/dialect.ts";
import { openSession } from "#lambdas/dialects/kabuto/sessions.ts";
import { client } from "#test/dialects/kabuto/support/kabuto-ground.ts";
import {
  EMPTY_ZIP,
  type ScriptedAgent,
  startScriptedAgent,
} from "#test/dialects/kabuto/support/scripted-agent.ts";
import { type CloudWorld, makeCloudWorld } from "./support/cloud-world.ts";

const EDGE = "em2";
const AT_ONCE = 4;
let world: CloudWorld;
let agent: ScriptedAgent;
beforeAll(async () => {
  world = await makeCloudWorld(inject("awsEndpoint"), { dialects: [em, kabuto], edges: ["em1", EDGE] });
  const { token } = await world.ground.accounts.addEdge(EDGE);
  agent = await startScriptedAgent(world.agentUrl, token);
});
afterAll(() => world?.close());

/** A user of the edge at both grounds, which share nothing but the cloud. */
async function user(name: string) {
  const account = await world.ground.accounts.addUser(name, "long enough", { edges: [EDGE] });
  const { core } = world.ground.dialects.find(({ dialect }) => dialect === kabuto)!;
  const cookie = `session=${await openSession(core, account)}`;
  return [client(world.url, cookie), client(world.agentUrl, cookie)] as const;
}

/** What staging keeps of a user's jobs: what they take and what they brought. */
const kept = async (name: string) => {
  const objects = await world.ground.staging.list(`kept/${name}/kabuto/`);
  return objects.map(({ key }) => /\/(inbox|results)\//.exec(key)?.[1]).filter((what) => what !== undefined);
};

test("50 creations over two grounds at once get 50 different ids", async () => {
  const grounds = await user("counting");
  const made = await Promise.all(
    Array.from({ length: 50 }, (_, n) => grounds[n % 2]!.post("/pipeline", { name: `p${n}` })),
  );
  const ids = made.map(({ id }) => Number(id)).toSorted((a, b) => a - b);
  expect(ids).toEqual(Array.from({ length: 50 }, (_, n) => n + 1));
});

test("a job's inbox, rows and zip go over S3, seen alike by another ground, until they are deleted", async () => {
  const [me, elsewhere] = await user("working");
  await me.image(agent);
  await me.post("/pipeline", { name: "p" });
  const files = { one: "1", "d/two": "22" };
  expect(await me.upload("/pipeline/1/job", { image_id: "1", command: "true" }, files)).toEqual({ id: 1 });
  expect(await me.post("/pipeline/1/submit")).toEqual({ "1": "in_queue" });
  const [run] = await agent.claim();
  expect(await agent.files(run!)).toEqual(files);
  await agent.endJob(run!, { log: "2026-11-27T07:00:00Z first\n2026-11-27T07:00:01Z second\n" });
  for (const ground of [elsewhere, me]) {
    expect(await ground.get("/pipeline/1/job/1")).toMatchObject({ "1": { state: "done", response: 0 } });
    expect(await ground.get("/execution/1/logs")).toMatchObject([
      { job: 1, logline: "first" },
      { job: 1, logline: "second" },
    ]);
    const answer = await fetch(`${world.url}/pipeline/1/job/1?result`, { headers: { cookie: me.cookie } });
    expect(answer.headers.get("content-type")).toBe("application/zip");
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(EMPTY_ZIP);
  }
  expect(new Set(await kept("working"))).toEqual(new Set(["inbox", "results"]));
  await elsewhere.delete("/pipeline/1");
  expect(await me.get("/jobs")).toEqual({});
  expect(await kept("working")).toEqual([]);
});

test("a submit of 100 jobs queues each once, in order", async () => {
  const [me, elsewhere] = await user("many");
  await me.image(agent);
  await me.post("/pipeline", { name: "p" });
  const commands = Array.from({ length: 100 }, (_, n) => `echo ${n + 1}`);
  for (const command of commands) await me.post("/pipeline/1/job", { image_id: "1", command });
  const submits = await Promise.all([me, elsewhere].map((ground) => ground.post("/pipeline/1/submit")));
  const queued = Object.fromEntries(commands.map((_, n) => [String(n + 1), "in_queue"]));
  expect(submits).toEqual([queued, queued]);
  const done: string[] = [];
  for (;;) {
    const claimed = await agent.claim();
    if (claimed.length === 0) break;
    done.push(...claimed.map((command) => (command.input as { args: string[] }).args.join(" ")));
    // as many at once as an agent runs; a result goes over S3 above
    const end = { state: "failed", reason: "StartError", exitCode: null } as const;
    for (let at = 0; at < claimed.length; at += AT_ONCE) {
      await Promise.all(claimed.slice(at, at + AT_ONCE).map((command) => agent.endJob(command, { end })));
    }
  }
  expect(done).toEqual(commands);
});
