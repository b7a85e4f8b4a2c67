import { createHash } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { OperationHandlers } from "#agent/operation.ts";
import { buildRawStream } from "#test/support/fpga/build-raw-stream.ts";
import { LONG } from "#test/support/long-run.ts";
import { type Deployment, deploy, type Lane } from "./support/deployment.ts";
import { FpgaLane } from "./support/fpga-lane.ts";
import { type InProcessAgent, startAgent } from "./support/in-process-agent.ts";

let deployment: Deployment;
let lane: Lane;
let fpga: FpgaLane;
let agent: InProcessAgent | undefined;
/** digests of the files that the edge holds, by image */
const held = new Map<string, string>();

beforeAll(async () => {
  deployment = await deploy(1, { agents: false, ground: { PERIGEE_DIALECTS: "em,fpga" } });
  lane = deployment.lanes[0]!;
  fpga = new FpgaLane(lane);
  agent = await start();
});
// on a slow machine all of this takes longer than contact lasts without a heartbeat
beforeEach(() => agent?.beat());
afterAll(async () => {
  await agent?.stop();
  await deployment.close();
});

const digest = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
const handlers: Partial<OperationHandlers> = {
  "fpga.store": async ({ input: { image, sha256, bytes }, fetch }) => {
    const arrived = await buffer(await fetch(0));
    expect(digest(arrived)).toBe(sha256);
    held.set(image, sha256);
    return { sha256, bytes };
  },
  "fpga.delete": async ({ input: { image } }) => {
    held.delete(image);
    return {};
  },
};

function start() {
  return startAgent({ url: deployment.url, token: lane.token, state: lane.agentData, handlers });
}

let streams = 0;
/** Another one each time. */
const stream = () => buildRawStream({ size: 8192 + 4 * streams++ });

const ORDER = ["saving", "active", "deleting", "gone"];

/** An image's status once it is `wanted`, which it comes to without ever going back. */
async function becomes(id: string, wanted: string): Promise<void> {
  for (let before = 0; ; ) {
    const image = await fpga.detail(id);
    const at = ORDER.indexOf(image?.status ?? "gone");
    expect(at, `${image?.status}: ${image?.message}`).toBeGreaterThanOrEqual(before);
    if (ORDER[at] === wanted) return;
    before = at;
    await pause(20);
  }
}

/** Has the ground die at `point` of what `call` asks for, and starts it again on the same port and data. */
async function killedAt(point: string, call: () => Promise<unknown>): Promise<void> {
  deployment.ground.arm(point);
  const cut = call().catch(() => undefined);
  await deployment.ground.death(point);
  await deployment.ground.start();
  await cut;
}

// what the ground does at the others is the same for every command
const REPORTED = LONG ? ["agent.claimed", "agent.before.report", "agent.reported"] : ["agent.reported"];

test.each(["fpga.pinned", "fpga.registered", "fpga.checking", "fpga.checked", "fpga.queued", ...REPORTED])(
  "the ground dies at %s: one image, with the bytes of its registration, and the edge has them",
  async (point) => {
    const name = point.replaceAll(".", "-");
    const [first, second] = [stream(), stream()];
    const register = () => fpga.post(name, { headers: { "idempotency-key": name } });
    await fpga.put(`${name}.bin`, first);
    await killedAt(point, register);
    await fpga.put(`${name}.bin`, second);
    const { id } = (await register()).json.fpga_image;
    await becomes(id, "active");
    // only what was never written is registered by the second call
    const sha256 = digest(point === "fpga.pinned" ? second : first);
    expect((await fpga.list()).filter((image) => image.name === name)).toMatchObject([{ id, sha256 }]);
    expect(held.get(id)).toBe(sha256);
  },
);

test.each(["dispatch.submitted", ...REPORTED])(
  "the ground dies at %s of a deletion: the image goes, on the edge too",
  async (point) => {
    const id = await fpga.register(`deleted-at-${point.replaceAll(".", "-")}`, stream());
    expect(held.has(id)).toBe(true);
    await killedAt(point, () => fpga.delete(id));
    await becomes(id, "gone");
    expect(held.has(id)).toBe(false);
    expect((await fpga.delete(id)).status).toBe(404);
  },
);

test("the ground dies while it cancels what no agent has claimed: a second deletion takes the image", async () => {
  await agent!.stop();
  await fpga.put("unclaimed.bin", stream());
  const { id } = (await fpga.post("unclaimed")).json.fpga_image;
  await killedAt("fpga.removing", () => fpga.delete(id));
  await fpga.delete(id);
  await becomes(id, "gone");
  agent = await start();
  const next = await fpga.register("after-it", stream());
  expect(held.has(id)).toBe(false);
  expect(held.has(next)).toBe(true);
});
