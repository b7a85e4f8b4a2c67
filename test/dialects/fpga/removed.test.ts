import { afterEach, beforeEach, expect, it } from "vitest";
import { buildRawStream } from "#test/support/fpga/build-raw-stream.ts";
import { type FpgaGround, startFpgaGround } from "./support/fpga-ground.ts";

let ground: FpgaGround;
beforeEach(async () => {
  ground = await startFpgaGround();
});
afterEach(() => ground.stop());

const stagedOf = async (user: string) => (await ground.ground.staging.list(`fpga/${user}/`)).length;

it("what a user has goes with the user, of the edge's files too, and nothing of another's", async () => {
  for (const user of ["ada", "bob"]) await ground.put("obs-fpga", "fpga.bin", buildRawStream(), user);
  const [held, waiting] = [await ground.register(), await ground.register()];
  const other = await ground.register({}, "bob");
  await ground.checked();
  const agent = await ground.startAgent();
  // one is with the edge, the other only with its agent
  const [store, running] = await agent.claim();
  expect([store?.user, running?.user]).toEqual(["ada", "ada"]);
  await agent.report(store!, { state: "succeeded", result: {} });
  const { id: project, uid } = ground.project();
  await ground.ground.accounts.removeUser("ada");
  await ground.ground.janitor.round();
  await ground.checked();
  for (const id of [held, waiting]) expect(await ground.parts.images.find(project, id)).toBeUndefined();
  expect(await ground.parts.objects.usage(uid)).toBe(0);
  expect(await ground.detail(other, "bob")).toMatchObject({ id: other });
  expect(await ground.parts.objects.usage(ground.project("bob").uid)).toBe(4096);
  expect(await stagedOf("bob")).toBe(1);
  await agent.report(running!, { state: "cancelled" });
  const told: string[] = [];
  for (let more = await agent.claim(); more.length > 0; more = await agent.claim()) {
    for (const command of more) {
      told.push(`${command.user} ${command.operation}`);
      await agent.report(command, { state: "succeeded", result: {} });
    }
  }
  expect(told.sort()).toEqual(["ada fpga.delete", "ada fpga.delete", "bob fpga.store"]);
});

it("what a grant stood for goes with it, and comes back empty", async () => {
  await ground.put("obs-fpga", "fpga.bin", buildRawStream());
  const id = await ground.register();
  await ground.checked();
  await ground.ground.accounts.revoke("em1", "ada");
  const refused = await ground.ada("GET", `${ground.base()}/detail`);
  expect([refused.status, refused.text]).toEqual([400, expect.stringContaining("Common.0018")]);
  await ground.ground.janitor.round();
  await ground.checked();
  expect(await stagedOf("ada")).toBe(0);
  await ground.ground.accounts.grant("em1", "ada");
  expect(await ground.detail(id)).toBeUndefined();
  expect(await ground.parts.objects.usage(ground.project().uid)).toBe(4096);
});
