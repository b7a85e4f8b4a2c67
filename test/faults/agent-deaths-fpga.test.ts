import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildRawStream } from "#test/support/fpga/build-raw-stream.ts";
import { FifoDevice } from "#test/support/fpga/fifo-device.ts";
import { type Deployment, deploy, type Lane } from "./support/deployment.ts";
import { FpgaLane } from "./support/fpga-lane.ts";

const NODE = `fpga${process.pid}`;
const IDCODE = 0x03822093;
/** Stands for the device's own file: it answers as /dev/null does. */
const DEVICE_FILE = `/dev/perigee-fpga-${process.pid}`;
const DEADLINE_MS = 8_000;

let device: FifoDevice;
let deployment: Deployment;
let lane: Lane;
let fpga: FpgaLane;
beforeAll(async () => {
  device = new FifoDevice();
  execFileSync("mknod", [DEVICE_FILE, "c", "1", "3"]);
  deployment = await deploy(1, {
    ground: { PERIGEE_DIALECTS: "em,fpga" },
    agent: {
      nodes: [
        { name: NODE, kind: "FPGA" },
        { name: "mpu1", kind: "MPU" },
      ],
      fpga: [
        {
          ...{ node: NODE, root: device.root, idcode: "0x03822093" },
          ...{ devices: [DEVICE_FILE], deadlineMs: DEADLINE_MS },
        },
      ],
    },
  });
  [lane] = deployment.lanes as [Lane];
  fpga = new FpgaLane(lane);
});
afterAll(async () => {
  await deployment?.close();
  device?.close();
  rmSync(DEVICE_FILE, { force: true });
});

/** Its payload prints how many loads its device has had when it begins. */
const COUNTS = "cat /data/loads";
let pods = 0;
/** A pod whose volume has the device's load counter from now on. */
function pod(): string {
  const name = `fpga-${pods++}`;
  device.onLoad = () => {
    mkdirSync(lane.volume(name), { recursive: true });
    writeFileSync(join(lane.volume(name), "loads"), `${device.loads.length + 1}\n`);
  };
  return name;
}

test("an image goes to the edge, is compared with its device, and is loaded before each run's first process", async () => {
  const stream = buildRawStream();
  const id = await fpga.register("counter", stream);
  expect(await fpga.detail(id)).toMatchObject({ status: "active", message: null });
  const wrong = await fpga.register("wrong", buildRawStream({ idcode: 0x04711093 }));
  expect(await fpga.detail(wrong)).toMatchObject({
    status: "error",
    message: expect.stringMatching(/^DEVICE_MISMATCH: /),
  });
  const seen = async () => (await lane.client.get("/edge")).json.data.fpga;
  expect(await seen()).toMatchObject([
    { node: NODE, adapter: "xilinx-sysfs", driver: "simulated ZynqMP FPGA Manager", idcode: IDCODE },
  ]);

  for (const n of [1, 2]) {
    const name = pod();
    expect((await fpga.run(name, COUNTS, { fpga_image: "counter" })).status).toBe(200);
    expect(await fpga.end(name)).toMatchObject({ exitCode: 0, reason: "Completed" });
    expect(await fpga.log(name)).toBe(`${n}\n`);
    expect(device.loads).toHaveLength(n);
    expect(device.loads.at(-1)?.equals(stream)).toBe(true);
  }
  await expect.poll(seen).toMatchObject([{ state: "operating", loaded: { image: id } }]);

  // what is not asked for is not loaded; what is associated is
  const without = pod();
  await fpga.run(without, "true", { fpga_image: "none" });
  await fpga.end(without);
  expect(device.loads).toHaveLength(2);
  expect(await fpga.run(without, "true", { fpga_image: "other" })).toMatchObject({ status: 404 });
  expect(await fpga.run(without, "true", { fpga_image: "wrong" })).toMatchObject({ status: 409 });
  expect(await fpga.run(without, "true", { fpga_image: "counter", node: "MPU" })).toMatchObject({
    status: 400,
  });
});

test("the run that holds a device has its files, and no other run has them", async () => {
  const look = `[ -c ${DEVICE_FILE} ] && echo there || echo none`;
  const [holds, without, elsewhere] = [pod(), pod(), pod()];
  await fpga.run(holds, look, { fpga_image: "counter" });
  await fpga.run(without, look, { fpga_image: "none" });
  await fpga.run(elsewhere, look, { node: "MPU" });
  for (const name of [holds, without, elsewhere]) await fpga.end(name);
  expect(await fpga.log(holds)).toBe("there\n");
  for (const name of [without, elsewhere]) expect(await fpga.log(name)).toBe("none\n");
});

test("a device whose driver does not come back starts nothing, until it answers again", async () => {
  const seen = async () => (await lane.client.get("/edge")).json.data.fpga[0].state;
  device.block();
  const name = pod();
  await fpga.run(name, COUNTS, { fpga_image: "counter" });
  expect(await fpga.end(name)).toMatchObject({
    ...{ exitCode: 128, reason: "FpgaLoadError", startedAt: null },
    message: `LOAD_TIMEOUT: the driver did not answer within ${DEADLINE_MS} ms`,
  });
  await expect.poll(seen).toBe("stuck");
  device.unblock();
  await expect.poll(seen, { timeout: 60_000 }).toBe("operating");
  const next = pod();
  await fpga.run(next, COUNTS, { fpga_image: "counter" });
  expect(await fpga.end(next)).toMatchObject({ exitCode: 0 });
  expect(await fpga.log(next)).toBe(`${device.loads.length}\n`);
});

test("a device that does not work after the load starts nothing", async () => {
  const name = pod();
  device.fails = "write error";
  await fpga.run(name, COUNTS, { fpga_image: "counter" });
  expect(await fpga.end(name)).toEqual({
    exitCode: 128,
    reason: "FpgaLoadError",
    startedAt: null,
    finishedAt: null,
    message: 'LOAD_FAILED: the device is "write error" after the load',
  });
  device.fails = undefined;
});

test("a device is one run's until that has ended", async () => {
  const [first, second] = [pod(), pod()];
  await fpga.run(first, "while [ ! -e /data/end ]; do sleep 0.1; done", { fpga_image: "counter" });
  await fpga.state(first, (state) => "running" in state);
  const loads = device.loads.length;
  await fpga.run(second, "true", { fpga_image: "counter" });
  expect(
    await fpga.state(second, (state) => "waiting" in state && state.waiting.reason === "Unschedulable"),
  ).toEqual({
    waiting: { reason: "Unschedulable", message: "every FPGA that takes the image is in use" },
  });
  expect(device.loads).toHaveLength(loads);
  writeFileSync(join(lane.volume(first), "end"), "");
  expect(await fpga.end(second)).toMatchObject({ exitCode: 0 });
  expect(device.loads).toHaveLength(loads + 1);
});

test.each(["fpga.loading", "fpga.programmed", "fpga.loaded", "pods.starting", "pods.started"])(
  "the agent dies at %s: the run starts once, on a device that was loaded for it",
  async (point) => {
    const name = pod();
    const before = device.loads.length;
    lane.agent.arm(point);
    await fpga.run(name, `${COUNTS}; echo x >> /data/starts; cat /data/starts`, { fpga_image: "counter" });
    await lane.agent.death(point);
    await device.forget(NODE);
    await lane.agent.start();
    expect(await fpga.end(name)).toMatchObject({ exitCode: 0, reason: "Completed" });
    expect(await fpga.log(name)).toBe(`${device.loads.length}\nx\n`);
    expect(device.loads.length).toBeGreaterThan(before);
  },
);

test("a load that is cut short twice is the last", async () => {
  const name = pod();
  const before = device.loads.length;
  lane.agent.arm("fpga.loading");
  await fpga.run(name, "echo x > /data/started", { fpga_image: "counter" });
  await lane.agent.death("fpga.loading");
  await device.forget(NODE);
  lane.agent.arm("fpga.loading");
  await lane.agent.launch();
  await lane.agent.death("fpga.loading");
  await device.forget(NODE);
  await lane.agent.start();
  expect(await fpga.end(name)).toMatchObject({
    exitCode: 128,
    reason: "FpgaLoadError",
    startedAt: null,
    message: expect.stringMatching(/^LOAD_INTERRUPTED: /),
  });
  expect(device.loads).toHaveLength(before);
});

test("what an agent no longer holds at its start is lost, and nothing else", async () => {
  const gone = await fpga.register("gone", buildRawStream({ size: 8192 }));
  const kept = await fpga.register("kept", buildRawStream({ size: 8192 }));
  await lane.agent.stop();
  rmSync(join(lane.agentData, "fpga", lane.user, "images", `${gone}.json`));
  await lane.agent.start();
  expect(await fpga.detail(gone)).toMatchObject({
    status: "error",
    message: expect.stringMatching(/^LOST: /),
  });
  expect(await fpga.detail(kept)).toMatchObject({ status: "active" });
});
