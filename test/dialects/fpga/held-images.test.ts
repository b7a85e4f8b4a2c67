import { afterEach, expect, it } from "vitest";
import { buildRawStream } from "#test/support/fpga/build-raw-stream.ts";
import { type FpgaGround, startFpgaGround } from "./support/fpga-ground.ts";

let ground: FpgaGround;
afterEach(() => ground.stop());

const stateOf = async (id: string) => (await ground.detail(id))?.status;
const held = async (about: object) =>
  (await ground.tell("dialects/fpga/held", { held: [], ...about })).status;

it("what an agent did not have at its start is lost, however late it is told, but not what it has stored since", async () => {
  ground = await startFpgaGround();
  await ground.put("obs-fpga", "fpga.bin", buildRawStream());
  ground.setClock(Date.now());
  const earlier = await ground.active(await ground.startAgent());
  ground.setClock(Date.now() + 60_000);
  const { json } = await ground.tell("start", {
    ...{ journal: "j", version: "t", operations: ["fpga.store", "fpga.delete"], features: [] },
  });
  const { epoch, at } = json as { epoch: number; at: number };
  const claimed = await ground.register();
  await ground.checked();
  const { json: claim } = await ground.tell("claim", { epoch, turn: 1, room: { fpga: 2 }, have: [] });
  const [command] = (claim as { commands: { id: string; user: string; lane: string }[] }).commands;
  const { id, user, lane } = command!;
  ground.setClock(Date.now() + 120_000);
  const outcome = { state: "succeeded", result: { sha256: "0".repeat(64), bytes: 4096 } };
  expect((await ground.tell("report", { epoch, user, command: id, lane, outcome })).status).toBe(200);
  expect([await stateOf(earlier), await stateOf(claimed)]).toEqual(["active", "active"]);
  expect(await held({ epoch, at })).toBe(200);
  expect([await stateOf(earlier), await stateOf(claimed)]).toEqual(["error", "active"]);
});

it("a piece of the list says nothing of ids that it does not mean", async () => {
  ground = await startFpgaGround();
  await ground.put("obs-fpga", "fpga.bin", buildRawStream());
  const agent = await ground.startAgent();
  const ids: string[] = [];
  for (let n = 0; n < 4; n++) ids.push(await ground.active(agent));
  ids.sort();
  const { epoch } = agent;
  expect(await held({ epoch, from: ids[1], to: ids[3], held: [{ user: "ada", images: [ids[2]] }] })).toBe(
    200,
  );
  const states = await Promise.all(ids.map(stateOf));
  expect(states).toEqual(["active", "error", "active", "active"]);
});
