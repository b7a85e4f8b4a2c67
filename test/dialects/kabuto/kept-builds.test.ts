import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { kabuto } from "#lambdas/dialects/kabuto/dialect.ts";
import { counterWrite, MOST, readCounter } from "#lambdas/dialects/kabuto/objects.ts";
import { MOST_BUILDS } from "#lambdas/dialects/kabuto/old-builds.ts";
import { keys } from "#lambdas/dialects/kabuto/records.ts";
import { keptPrefix } from "#lambdas/ports/staging-key.ts";
import { type KabutoClient, type KabutoGround, startKabutoGround } from "./support/kabuto-ground.ts";
import type { ScriptedAgent } from "./support/scripted-agent.ts";

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const FROM = "FROM busybox\n";
const SHOWN = [{ stream: "Step 1/1 : FROM busybox\n" }];

let ground: KabutoGround;
let agent: ScriptedAgent;
let me: KabutoClient;
let name: string;
let now = Date.now();
let users = 0;
beforeAll(async () => {
  ground = await startKabutoGround({ now: () => now });
  agent = await ground.agent();
});
beforeEach(async () => {
  me = await ground.user();
  name = `user${++users}`;
});
afterAll(() => ground.stop());

const core = () => ground.ground.dialects.find(({ dialect }) => dialect === kabuto)!.core;
const uid = async () => (await core().users.stored(name))!.uid;

async function built(): Promise<string> {
  const { build_id } = await me.post("/image", { name: "a", dockerfile: FROM });
  await agent.work();
  return `/image/build/${build_id}`;
}

/** The ground drops the logs of all commands, as it does with a user's older ones. */
const dropLogs = () => core().staging.deletePrefix(`logs/em1/${name}/_commands/`);

test("a build's output is there without its log, once somebody asked for it", async () => {
  const build = await built();
  const answer = await me.get(build);
  expect(answer).toEqual({ state: "SUCCESS", id: 1, output: SHOWN });
  await dropLogs();
  expect(await me.get(build)).toEqual(answer);
  // it counts in the quota
  expect(await core().staging.usage(keptPrefix(name))).toBe(JSON.stringify(SHOWN).length);
});

test("or when its user builds again, or in the janitor's round", async () => {
  const first = await built();
  await built();
  // after the answer
  const kept = () => core().staging.usage(keptPrefix(name));
  await vi.waitFor(async () => expect(await kept()).toBeGreaterThan(0), { timeout: 60_000 });
  await dropLogs();
  expect(await me.get(first)).toMatchObject({ output: SHOWN });
  const third = await built();
  await ground.ground.janitor.round();
  await dropLogs();
  expect(await me.get(third)).toMatchObject({ output: SHOWN });
});

test("rows that come late are shown, and kept when no more come", async () => {
  const { build_id } = await me.post("/image", { name: "a", dockerfile: FROM });
  const [command] = await agent.claim();
  await agent.report(command!, { state: "succeeded", result: {} });
  const build = `/image/build/${build_id}`;
  expect(await me.get(build)).toEqual({ state: "PENDING" });
  now += 11 * MINUTE;
  expect(await me.get(build)).toMatchObject({ state: "SUCCESS", output: [] });
  await agent.commandLog(command!, ["late"]);
  expect(await me.get(build)).toMatchObject({ output: [{ stream: "late\n" }] });
  now += DAY;
  expect(await me.get(build)).toMatchObject({ output: [{ stream: "late\n" }] });
  await dropLogs();
  expect(await me.get(build)).toMatchObject({ output: [{ stream: "late\n" }] });
});

test("a build is known for 90 days after its end, and its output goes with it", async () => {
  const build = await built();
  now += 90 * DAY - MINUTE;
  await ground.ground.janitor.round();
  // a session lasts less
  const client = await ground.session(name);
  expect(await client.get(build)).toEqual({ state: "SUCCESS", id: 1, output: SHOWN });
  now += 2 * MINUTE;
  await ground.ground.janitor.round();
  await ground.ground.janitor.round();
  expect(await client.get(build)).toEqual({ state: "FAILURE", error: "Build not found", output: "" });
  expect(await client.get("/image/1")).toMatchObject({ "1": { name: "a" } });
  expect(await core().staging.usage(keptPrefix(name))).toBe(0);
});

test("of builds that have ended the newest are known, and the outputs of those alone", async () => {
  const build = await built();
  await me.get(build);
  const { records } = core();
  const id = await uid();
  for (let n = 0; n < MOST_BUILDS; n++) {
    const later = `7${String(n).padStart(25, "0")}`;
    const data = {
      id: later,
      name: "a",
      createdAt: now,
      edge: "em1",
      end: { state: "FAILED", error: "x", output: { text: null } },
    };
    await records.transact([{ put: { ...keys.build(id, later), data } }]);
  }
  await ground.ground.janitor.round();
  expect(await me.get(build)).toMatchObject({ error: "Build not found" });
  await ground.ground.janitor.round();
  expect(await core().staging.usage(keptPrefix(name))).toBe(0);
});

test("100 images, builds under way included", async () => {
  const { records } = core();
  const id = await uid();
  const counter = await readCounter(records, id, "image");
  await records.transact([counterWrite(id, "image", counter, { used: MOST.image - 1 })]);
  await me.post("/image", { name: "a", dockerfile: FROM });
  const refused = { error: "Too many images (100): delete some" };
  expect(await me.post("/image", { name: "a", dockerfile: FROM })).toEqual(refused);
  const [command, ...more] = await agent.claim();
  expect(more).toEqual([]);
  await agent.endBuild(command!, [], { code: "BUILD_FAILED", message: "no" });
  // one that failed is none
  const build = await built();
  expect(await me.get(build)).toMatchObject({ state: "SUCCESS", id: 1 });
  expect(await me.post("/image", { name: "a", dockerfile: FROM })).toEqual(refused);
  // the content of an image may be replaced at any time
  expect(await me.put("/image/1", { name: "b", dockerfile: FROM })).toHaveProperty("build_id");
  await agent.work();
  await me.delete("/image/1");
  expect(await me.post("/image", { name: "a", dockerfile: FROM })).toHaveProperty("build_id");
  await agent.work();
});
