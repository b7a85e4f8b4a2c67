import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { MOST_TEXT_BYTES } from "#lambdas/dialects/kabuto/job-bounds.ts";
import { MOST_BUILDS, tidyBuildsBeside } from "#lambdas/dialects/kabuto/old-builds.ts";
import { MOST_REPLAYS, SPARE_REPLAYS } from "#lambdas/dialects/kabuto/old-replays.ts";
import {
  type BuildRecord,
  type Counter,
  keys,
  type PipelineRecord,
  type ReplayRecord,
} from "#lambdas/dialects/kabuto/records.ts";
import { type KabutoGround, startKabutoGround } from "./support/kabuto-ground.ts";
import type { ScriptedAgent } from "./support/scripted-agent.ts";

let ground: KabutoGround;
let agent: ScriptedAgent;
let now = Date.now();
beforeAll(async () => {
  ground = await startKabutoGround({ now: () => now });
  agent = await ground.agent();
});
afterAll(() => ground.stop());

const core = () => ground.ground.dialects.find(({ dialect }) => dialect.name === "kabuto")!.core;
const newest = async () => {
  const users = await ground.ground.accounts.listUsers();
  return users.sort((a, b) => a.createdAt - b.createdAt || (a.name < b.name ? -1 : 1)).at(-1)!;
};
/** A user, later than all before. */
const someone = async () => {
  now += 1;
  const me = await ground.user();
  return { me, account: await newest() };
};

describe("a Dockerfile or a command whose JSON is much longer than it", () => {
  const text = "\u0001".repeat(64 * 1024 - 20);

  test("is built, shown as it was, and keeps no lane", async () => {
    const { me } = await someone();
    const dockerfile = `FROM busybox\n#${text}`;
    const { build_id } = await me.post("/image", { name: "x", dockerfile });
    await agent.work();
    expect(await me.get(`/image/build/${build_id}`)).toMatchObject({ state: "SUCCESS", id: 1 });
    expect((await me.get("/image/1"))["1"]).toMatchObject({ dockerfile });
    expect((await ground.ground.ledger.lane("em1", "kabuto-build")).running).toEqual([]);
  });

  test("is a failed build, whatever length it has, where there is nothing to build", async () => {
    const { me } = await someone();
    for (const dockerfile of [`@/${text}`, `@/${"\u0001".repeat(900_000 / 6)}`]) {
      const { build_id } = await me.post("/image", { name: "x", dockerfile });
      expect(await me.get(`/image/build/${build_id}`)).toMatchObject({ state: "FAILED" });
    }
  });

  test("is refused as a command by its parameter, and one of quotes is kept", async () => {
    const { me } = await someone();
    await me.image(agent);
    await me.post("/pipeline", { name: "p" });
    const body = new URLSearchParams({ image_id: "1", command: `echo ${text}` });
    const answer = await me.send("/pipeline/1/job", { method: "POST", body });
    expect([answer.status, await answer.json()]).toEqual([
      400,
      { message: "[command]: has too many control characters" },
    ]);
    const command = `echo '${'"'.repeat(60 * 1024)}'`;
    expect(await me.post("/pipeline/1/job", { image_id: "1", command })).toEqual({ id: 1 });
    expect((await me.get("/jobs"))["1"]).toMatchObject({ command });
    expect(await me.post("/pipeline/1/submit")).toEqual({ "1": "in_queue" });
    await agent.work();
  });

  test("that an earlier version recorded ends", async () => {
    const { me, account } = await someone();
    const { build_id } = await me.post("/image", { name: "x", dockerfile: "FROM busybox" });
    const { records } = core();
    const key = keys.build(account.uid, String(build_id));
    const { data } = (await records.get<BuildRecord>(key))!;
    const dockerfile = "\u0001".repeat(58_000);
    await records.transact([
      { put: { ...key, data: { ...data, dockerfile } } },
      { delete: keys.dockerfile(account.uid, data.id) },
    ]);
    await agent.work();
    expect(await me.get(`/image/build/${build_id}`)).toMatchObject({ state: "SUCCESS", id: 1 });
    expect((await me.get("/image/1"))["1"]).toMatchObject({ dockerfile });
  });
});

test("an end that lacks its record shows all the same, and the janitor notes it", async () => {
  const { me, account } = await someone();
  await me.image(agent);
  await me.post("/pipeline", { name: "p" });
  await me.post("/pipeline/1/job", { image_id: "1" });
  await me.post("/pipeline/1/submit");
  const { records } = core();
  const before = (await records.get(keys.run(account.uid, 1)))!;
  const [command] = await agent.claim();
  const of = (await records.get(keys.ofCommand(command!.id)))!;
  await agent.endJob(command!, { end: { exitCode: 3, reason: "Error" } });
  // as the ledger leaves it where the records did not fit
  await records.transact([
    { put: { pk: before.pk, sk: before.sk, data: before.data } },
    { put: { pk: of.pk, sk: of.sk, data: of.data } },
  ]);
  expect((await me.get("/jobs"))["1"]).toMatchObject({ state: "done", response: 3, reason: "Error" });
  await ground.ground.janitor.round();
  expect((await records.get(keys.run(account.uid, 1)))!.data).toMatchObject({
    end: { state: "done", response: 3 },
  });
  expect(await records.get(keys.ofCommand(command!.id))).toBeUndefined();
});

test("a revoked grant: nothing is submitted, also nothing that was decided before", async () => {
  const { me, account } = await someone();
  await me.image(agent);
  await me.post("/pipeline", { name: "p" });
  await me.post("/pipeline/1/job", { image_id: "1" });
  await ground.ground.accounts.revoke("em1", account.name);
  const refused = { error: "No edge is granted to you" };
  expect(await me.post("/pipeline/1/submit")).toEqual(refused);
  expect(await me.post("/image", { name: "x", dockerfile: "FROM busybox" })).toEqual(refused);
  const { records } = core();
  const { pk, sk, data } = (await records.get<PipelineRecord>(keys.object(account.uid, "pipeline", 1)))!;
  const pending = { id: "01K0000000000000000000000A", at: now, runs: [{ job: 1, run: 1 }] };
  await records.transact([{ put: { pk, sk, data: { ...data, pending } } }]);
  await ground.ground.janitor.round();
  expect((await me.get("/jobs"))["1"]).toMatchObject({ state: "ready", run: 0 });
  expect(await agent.work()).toEqual([]);
  await ground.ground.accounts.grant("em1", account.name);
  expect(await me.post("/pipeline/1/submit")).toEqual({ "1": "in_queue" });
  await agent.work();
});

test("a submission that is refused leaves no answer under its Idempotency-Key", async () => {
  const { me } = await someone();
  await me.image(agent);
  for (const pipeline of [1, 2]) {
    await me.post("/pipeline", { name: "p" });
    for (let i = 0; i < 60; i++) await me.post(`/pipeline/${pipeline}/job`, { image_id: "1" });
  }
  await me.post("/pipeline/1/submit");
  const submit = async () =>
    (await me.send("/pipeline/2/submit", { method: "POST", headers: { "idempotency-key": "k" } })).json();
  for (let i = 0; i < 2; i++)
    expect(await submit()).toEqual({ error: expect.stringMatching(/^The queue is full/) });
  await me.post("/pipeline/1/cancel");
  const answer = await submit();
  expect(Object.keys(answer as object)).toHaveLength(60);
  expect(await submit()).toEqual(answer);
  await me.post("/pipeline/2/cancel");
});

describe("bounds of a user", () => {
  test("commands' texts and files together, freed by what is deleted", async () => {
    const { me, account } = await someone();
    await me.image(agent);
    await me.post("/pipeline", { name: "p" });
    await me.upload("/pipeline/1/job", { image_id: "1", command: "echo 12345" }, { a: "", b: "" });
    const { records } = core();
    const key = keys.counter(account.uid, "job");
    const counter = async () => (await records.get<Counter>(key))!.data;
    expect(await counter()).toEqual({ last: 1, used: 1, files: 2, textBytes: 10 });
    await records.transact([
      { put: { ...key, data: { last: 1, used: 1, files: 20_000, textBytes: MOST_TEXT_BYTES } } },
    ]);
    expect(await me.post("/pipeline/1/job", { image_id: "1", command: "x" })).toEqual({
      error: "The commands of your jobs are over 8 MiB together: delete some jobs",
    });
    expect(await me.upload("/pipeline/1/job", { image_id: "1" }, { c: "" })).toEqual({
      error: "Too many attachments (20000): delete some jobs",
    });
    const kept = async () => (await ground.ground.staging.list(`kept/${account.name}/`)).length;
    const before = await kept();
    expect(await me.upload("/pipeline/1/job/1", {}, { c: "" }, "PUT")).toEqual({
      error: "Too many attachments (20000): delete some jobs",
    });
    expect(await me.upload("/pipeline/1/job/1", { image_id: "9" }, { c: "" }, "PUT")).toEqual({
      error: "Image not found",
    });
    expect(await kept()).toBe(before);
    expect(await me.delete("/pipeline/1/job/1")).toMatchObject({ message: expect.anything() });
    expect(await counter()).toEqual({ last: 1, used: 0, files: 19_998, textBytes: MOST_TEXT_BYTES - 10 });
  });

  test("builds that have ended: the oldest go", async () => {
    const { me, account } = await someone();
    const { records } = core();
    const old = Array.from({ length: MOST_BUILDS + 5 }, (_, i): BuildRecord => {
      const id = `00000000000000000000000${String(i).padStart(3, "0")}`;
      const end = { state: "FAILED", error: "x", output: { text: null } } as const;
      return { id, name: "x", createdAt: now, edge: "em1", ...(i > 0 && { end }) };
    });
    for (const data of old) await records.transact([{ put: { ...keys.build(account.uid, data.id), data } }]);
    await me.post("/image", { name: "refused" });
    const left = () => records.query<BuildRecord>({ pk: account.uid, prefix: "build#", limit: 1000 });
    // after the answer
    await vi.waitFor(async () => expect(await left()).toHaveLength(MOST_BUILDS), { timeout: 60_000 });
    // one that goes on stays
    expect((await left())[0]!.data.id).toBe(old[0]!.id);

    // a Lambda freezes with its answer: one build in sixteen has to tidy before
    const owner = { user: account.name, uid: account.uid };
    const lambda = { ...core(), timeLeftMs: () => 60_000 };
    for (let i = 0; i < 16; i++) {
      const data = { ...old[1]!, id: `1${String(i).padStart(25, "0")}` };
      await records.transact([{ put: { ...keys.build(account.uid, data.id), data } }]);
    }
    for (const last of "123456789ABCDEF") await tidyBuildsBeside(lambda, owner, `x${last}`);
    expect(await left()).toHaveLength(MOST_BUILDS + 16);
    await tidyBuildsBeside(lambda, owner, "x0");
    expect(await left()).toHaveLength(MOST_BUILDS);
  });

  test("Idempotency-Keys of a day: the oldest go, and the newest answer", async () => {
    const { me, account } = await someone();
    const { records } = core();
    const send = async (key: string, name: string) => {
      const headers = { "idempotency-key": key };
      const body = new URLSearchParams({ name });
      return (await me.send("/pipeline", { method: "POST", headers, body })).json();
    };
    expect(await send("first", "p")).toEqual({ id: 1 });
    const route = "POST /pipeline";
    // as a client writes them that takes a new key for each request
    for (let at = 0; at < MOST_REPLAYS + SPARE_REPLAYS; at += 20) {
      const some = Array.from({ length: 20 }, (_, i) => {
        const data: ReplayRecord = { digest: "x", at: now + 1 + at + i, answer: {} };
        return { put: { ...keys.replay(account.uid, route, `key ${at + i}`), data } };
      });
      await records.transact(some);
    }
    for (let i = 1; i < SPARE_REPLAYS; i++) {
      await records.transact([{ put: { ...keys.replays(account.uid), data: { since: 0 } } }]);
    }
    now += 10_000;
    expect(await send("second", "p")).toEqual({ id: 2 });
    const of = { pk: account.uid, prefix: "replay#", limit: 10_000 };
    const left = await records.query<ReplayRecord>(of);
    expect(left).toHaveLength(MOST_REPLAYS + 1);
    expect(await send("second", "p")).toEqual({ id: 2 });
    expect(await send(`key ${MOST_REPLAYS + SPARE_REPLAYS - 1}`, "p")).toMatchObject({
      error: expect.anything(),
    });
    // forgotten: it is a new request
    expect(await send("first", "p")).toEqual({ id: 3 });
    expect(await records.query(of)).toHaveLength(MOST_REPLAYS + 2);
  });
});
