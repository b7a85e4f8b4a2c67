import { afterAll, beforeAll, expect, test } from "vitest";
import { type KabutoGround, startKabutoGround } from "./support/kabuto-ground.ts";
import type { ScriptedAgent } from "./support/scripted-agent.ts";

let ground: KabutoGround;
let agent: ScriptedAgent;
beforeAll(async () => {
  ground = await startKabutoGround();
  agent = await ground.agent();
});
afterAll(() => ground.stop());

test("what a removed user has queued or running ends, and the user's images leave the edge", async () => {
  const me = await ground.user();
  const other = await ground.user();
  await me.image(agent);
  await me.image(agent, "second");
  await other.image(agent);
  await me.post("/pipeline", { name: "p" });
  for (const image_id of ["1", "2"]) await me.upload("/pipeline/1/job", { image_id }, { "in.txt": "in" });
  await other.post("/pipeline", { name: "p" });
  await other.post("/pipeline/1/job", { image_id: "1" });
  await me.post("/pipeline/1/submit");
  const [running] = await agent.claim({ kabuto: 1, "kabuto-build": 0 });
  await agent.progress(running!, "running");
  await other.post("/pipeline/1/submit");
  await me.post("/image", { name: "third", dockerfile: "FROM busybox\n" });
  await ground.ground.accounts.removeUser("user1");
  await ground.ground.janitor.round();
  // the running one is told to end at once, and its end changes nothing
  expect(await agent.progress(running!)).toEqual({ cancel: [running!.id], kill: [running!.id] });
  await agent.endJob(running!, { end: { exitCode: 137, reason: "Killed" }, log: "late\n" });
  // of what was queued only the other's job is left
  const done = await agent.work();
  const told = done.map(({ user, operation }) => `${user} ${operation}`).sort();
  expect(told).toEqual(["user1 image.delete", "user1 image.delete", "user2 job.run"]);
  const removed = done.filter(({ operation }) => operation === "image.delete").map(({ input }) => input);
  const space = "kabuto";
  const image = expect.stringMatching(/^b[0-9a-f]{32}$/);
  expect(removed).toEqual([
    { space, image },
    { space, image },
  ]);
  expect(new Set(removed.map((input) => (input as { image: string }).image)).size).toBe(2);
  expect((await me.send("/jobs")).status).toBe(401);
  expect((await other.get("/jobs"))["1"]).toMatchObject({ state: "done" });
  expect(Object.keys(await other.get("/image"))).toEqual(["1"]);
  const { records } = ground.ground.dialects.find(({ dialect }) => dialect.name === "kabuto")!.core;
  const uid = running!.group!.split("/")[0]!;
  expect(await records.query({ pk: uid, limit: 10 })).toEqual([]);
});
