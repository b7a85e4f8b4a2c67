import { afterEach, beforeEach, expect, it } from "vitest";
import { findCommand } from "#lambdas/dialects/fpga/find-command.ts";
import { FPGA_LANE } from "#lambdas/dialects/fpga/lane.ts";
import { findAgentLog } from "#lambdas/dialects/fpga/log/agent-log.ts";
import { findReport } from "#lambdas/dialects/fpga/log/reports.ts";
import { commandOf } from "#lambdas/fields/fpga-image-id.ts";
import { LIMITS } from "#protocol/limits.ts";
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

it("nothing stays on the edge of a user who is removed, neither what is long there nor what its queue had no room for", async () => {
  await ground.put("obs-fpga", "fpga.bin", buildRawStream());
  const agent = await ground.startAgent();
  const held: string[] = [];
  for (let n = 0; n < 3; n++) held.push(await ground.active(agent));
  ground.setClock(Date.now() + LIMITS.historyMs + 60_000);
  await ground.ground.janitor.round();
  const gone = await Promise.all(held.map((id) => findCommand(ground.core, "ada", commandOf(id))));
  expect(gone).toEqual([undefined, undefined, undefined]);
  // another's deletions leave one place in the queue
  for (let n = 1; n < FPGA_LANE.bounds.queuePerEdge; n++) {
    await ground.core.dispatch.run({
      ...{ user: "bob", edge: "em1", lane: FPGA_LANE.name, operation: "fpga.delete" },
      input: { image: n.toString(16).padStart(32, "0") },
      ...{ admission: "queue", wait: { kind: "none" } },
    });
  }
  await ground.ground.accounts.removeUser("ada");
  await ground.ground.janitor.round();
  await ground.checked();
  const told: string[] = [];
  const takeAll = async () => {
    for (let more = await agent.claim(); more.length > 0; more = await agent.claim()) {
      for (const command of more) {
        if (command.user === "ada") told.push((command.input as { image: string }).image);
        await agent.report(command, { state: "succeeded", result: {} });
      }
    }
  };
  await takeAll();
  // a round of its own may have queued the others meanwhile
  expect(told.length).toBeGreaterThanOrEqual(1);
  await ground.checked();
  await takeAll();
  expect(told.sort()).toEqual(held.sort());
  await ground.checked();
  await takeAll();
  expect(told).toHaveLength(3);
});

it("of an image whose project goes nothing stays in the store", async () => {
  await ground.put("obs-fpga", "fpga.bin", buildRawStream());
  const agent = await ground.startAgent();
  const id = await ground.register();
  await ground.checked();
  const [store] = await agent.claim();
  await agent.report(store!, {
    state: "succeeded",
    result: { sha256: "0".repeat(64), bytes: 4096, log: "stored\n" },
  });
  const of = { project: ground.project().id, image: id };
  expect(await findAgentLog(ground.core.records, of)).toBe("stored\n");
  await ground.ground.accounts.revoke("em1", "ada");
  await ground.ground.janitor.round();
  expect(await findAgentLog(ground.core.records, of)).toBe("");
  expect(await findReport(ground.core.records, of.project, of.image)).toBeUndefined();
});
