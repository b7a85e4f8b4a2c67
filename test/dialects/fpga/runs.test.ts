import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { em } from "#lambdas/dialects/em/dialect.ts";
import { containerImageId } from "#lambdas/fields/container-image-id.ts";
import { OPERATION_NAMES } from "#protocol/operations.ts";
import { buildRawStream } from "#test/support/fpga/build-raw-stream.ts";
import { type FpgaGround, type PlayedAgent, startFpgaGround } from "./support/fpga-ground.ts";

let ground: FpgaGround;
let agent: PlayedAgent;
beforeEach(async () => {
  ground = await startFpgaGround({ dialects: [em] });
  agent = await ground.startAgent(OPERATION_NAMES);
  for (const user of ["ada", "bob"]) await ground.put("obs-fpga", "fpga.bin", buildRawStream(), user);
});
afterEach(() => ground.stop());

const asked = (user: string, headers: Record<string, string> = {}) => ({
  authorization: `Bearer ${ground.token(user)}`,
  ...headers,
});
/** Asks for a run of the container image `app` on the node FPGA, and does not wait for it. */
async function run(fields: Record<string, string> = {}, user = "ada") {
  const all = { pod_name: "pod", image: "app", node: "FPGA", max_duration: "1", ...fields };
  const type = "application/x-www-form-urlencoded";
  const { status, text } = await ground.send("POST", "/em/pod/run", {
    headers: asked(user, { prefer: "respond-async", "content-type": type }),
    body: String(new URLSearchParams(all)),
  });
  return { status, json: JSON.parse(text) as { error?: string; message?: string } };
}
/** The image that the next run is given. */
async function given(): Promise<string | undefined> {
  const [command] = await agent.claim({ em: 1 });
  await agent.report(command!, { state: "succeeded", result: {} });
  return (command!.input as { fpga?: { image: string } }).fpga?.image;
}
const associate = async (method: "POST" | "DELETE", image: string, user = "ada") => {
  const id = containerImageId(ground.project(user).id, user, "app");
  const body = JSON.stringify({ image: { id } });
  const { status } = await ground.as(user)(method, `${ground.base(user)}/${image}/association`, { body });
  expect(status).toBe(204);
};

describe("the FPGA image of a run", () => {
  it("is the one that its container image is associated with, as it was when the run was asked for", async () => {
    const image = await ground.active(agent, { name: "one" });
    expect((await run()).status).toBe(202);
    expect(await given()).toBeUndefined();
    await associate("POST", image);
    expect((await run({ image: "app:latest" })).status).toBe(202);
    await associate("DELETE", image);
    expect(await given()).toBe(image);
    expect((await run()).status).toBe(202);
    expect(await given()).toBeUndefined();
  });

  it("has to be chosen of several, and another user's are none", async () => {
    const images = [await ground.active(agent, { name: "one" }), await ground.active(agent, { name: "two" })];
    for (const image of images) await associate("POST", image);
    const { status, json } = await run();
    expect([status, json.error]).toEqual([400, "INVALID_PARAMETERS"]);
    for (const image of images) expect(json.message).toContain(image);
    expect((await run({ fpga_image: "two" })).status).toBe(202);
    expect(await given()).toBe(images[1]);
    expect((await run({ fpga_image: images[0]! })).status).toBe(202);
    expect(await given()).toBe(images[0]);

    expect((await run({}, "bob")).status).toBe(202);
    expect(await given()).toBeUndefined();
    const foreign = await run({ fpga_image: images[0]! }, "bob");
    expect([foreign.status, foreign.json.error]).toEqual([404, "FPGA_IMAGE_NOT_FOUND"]);
  });

  it("is active, and named by one alone", async () => {
    const bad = await ground.register({ name: "bad", location: "obs-fpga:none.bin" });
    await ground.checked();
    for (const fpga_image of ["bad", bad]) {
      const { status, json } = await run({ fpga_image });
      expect([status, json.error]).toEqual([409, "FPGA_IMAGE_NOT_ACTIVE"]);
    }
    const twins = [
      await ground.active(agent, { name: "twin" }),
      await ground.active(agent, { name: "twin" }),
    ];
    const { status, json } = await run({ fpga_image: "twin" });
    expect(status).toBe(400);
    for (const image of twins) expect(json.message).toContain(image);
    const elsewhere = await run({ fpga_image: "twin", node: "MPU" });
    expect([elsewhere.status, elsewhere.json.error]).toEqual([400, "INVALID_PARAMETERS"]);
  });
});

it("a run that the agent has not yet keeps its image's file on the edge, and the deletion goes on after it", async () => {
  const image = await ground.active(agent, { name: "one" });
  const other = await ground.active(agent, { name: "two" });
  expect((await run({ fpga_image: image })).status).toBe(202);
  for (const id of [image, other]) {
    expect((await ground.ada("DELETE", `${ground.base()}/${id}`)).status).toBe(204);
    expect(await ground.detail(id)).toMatchObject({ status: "deleting" });
  }
  await ground.checked();
  const [first, ...rest] = await agent.claim();
  expect([first?.input, rest]).toEqual([{ image: other }, []]);
  await agent.report(first!, { state: "succeeded", result: {} });
  expect(await given()).toBe(image);
  await ground.checked();
  const [second] = await agent.claim();
  expect(second).toMatchObject({ operation: "fpga.delete", input: { image } });
  await agent.report(second!, { state: "succeeded", result: {} });
  expect(await ground.detail(image)).toBeUndefined();
});

it("a lane full of transfers neither delays nor locks the EM, nor the EM's lock a registration", async () => {
  for (let n = 0; n < 3; n++) await ground.register();
  await ground.checked();
  expect(await agent.claim()).toHaveLength(2);
  expect(await agent.claim()).toEqual([]);
  const waiting = ground.send("GET", "/em/nodes/status", { headers: asked("ada") });
  let [command] = await agent.claim({ em: 1 });
  while (!command) [command] = await agent.claim({ em: 1 });
  const locked = await ground.send("GET", "/em/nodes/status", { headers: asked("bob") });
  expect(locked.status).toBe(423);
  const id = await ground.register({ name: "meanwhile" }, "bob");
  await ground.checked();
  expect(await ground.detail(id, "bob")).toMatchObject({ status: "saving", message: "sent 0 of 1 MB" });
  await agent.report(command, { state: "succeeded", result: { nodes: [] } });
  expect((await waiting).status).toBe(200);
});
