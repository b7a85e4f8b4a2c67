import { afterAll, beforeAll, expect, test } from "vitest";
import { type KabutoClient, type KabutoGround, startKabutoGround } from "./support/kabuto-ground.ts";
import type { ScriptedAgent } from "./support/scripted-agent.ts";

let now = Date.UTC(2026, 4, 22);
let ground: KabutoGround;
let agent: ScriptedAgent;
let me: KabutoClient;
beforeAll(async () => {
  ground = await startKabutoGround({ now: () => now });
  agent = await ground.agent();
  me = await ground.user();
  await me.image(agent);
});
afterAll(() => ground.stop());

/** A pipeline of one job: its ids are one more each time. */
let pipelines = 0;
async function submitted(
  headers: Record<string, string>,
  jobs = 1,
): Promise<{ pipeline: number; answer: Response }> {
  const pipeline = ++pipelines;
  await me.post("/pipeline", { name: "p" });
  for (let n = 0; n < jobs; n++) await me.post(`/pipeline/${pipeline}/job`, { image_id: "1" });
  return { pipeline, answer: await me.send(`/pipeline/${pipeline}/submit`, { method: "POST", headers }) };
}

test("jobs of a higher priority go first, in one transaction or more, and the next pipeline of none is as ever", async () => {
  await submitted({});
  await submitted({ "perigee-priority": "2" });
  await submitted({ "perigee-priority": "9" }, 8);
  const first = await agent.claim({ kabuto: 10 });
  expect(first.map(({ group }) => group?.split("/")[1])).toEqual([
    "3",
    "3",
    "3",
    "3",
    "3",
    "3",
    "3",
    "3",
    "1",
    "2",
  ]);
  for (const command of first) await agent.endJob(command);
});

test("jobs and builds that no edge took in time have failed", async () => {
  const { pipeline } = await submitted({ "perigee-expires": "10m" });
  const body = new URLSearchParams({ name: "late", dockerfile: "FROM busybox\n" });
  const build = await me.send("/image", { method: "POST", body, headers: { "perigee-expires": "10m" } });
  const { build_id } = (await build.json()) as { build_id: number };
  now += 10 * 60_000;
  expect(await agent.claim()).toEqual([]);
  const jobs = Object.values(await me.get("/jobs")) as { pipeline_id?: number; state: string }[];
  expect(jobs.at(-1)).toMatchObject({ state: "failed" });
  expect(await me.get(`/image/build/${build_id}`)).toMatchObject({ state: expect.stringContaining("FAIL") });
  expect(await me.get(`/pipeline/${pipeline}`)).toBeDefined();
});

test("a header that means nothing is refused as any bad request, and nothing is submitted", async () => {
  const wrong: Record<string, string>[] = [{ "perigee-priority": "10" }, { "perigee-expires": "soon" }];
  for (const headers of wrong) {
    const { answer } = await submitted(headers);
    expect(answer.status).toBe(400);
  }
  expect(await agent.claim()).toEqual([]);
});
