import { afterEach, beforeEach, expect, it } from "vitest";
import { LOADS_OF_IMAGE } from "#protocol/fpga-device.ts";
import { buildRawStream } from "#test/support/fpga/build-raw-stream.ts";
import { type FpgaGround, startFpgaGround } from "./support/fpga-ground.ts";

let ground: FpgaGround;
beforeEach(async () => {
  ground = await startFpgaGround();
});
afterEach(() => ground.stop());

const logOf = async (id: string) => {
  const headers = { authorization: `Bearer ${ground.token("ada")}` };
  return ground.send("GET", `/fpga/images/${id}/log`, { headers });
};

it("a log has an image's last loads, nothing of another image, and goes with it", async () => {
  await ground.put("obs-fpga", "fpga.bin", buildRawStream());
  const agent = await ground.startAgent();
  const id = await ground.active(agent);
  const other = await ground.active(agent);
  const loads = Array.from({ length: LOADS_OF_IMAGE + 5 }, (_, n) => ({
    ...{ image: n === 3 ? other : id, run: `run-${n}`, node: "fpga", adapter: "xilinx-sysfs" },
    ...{ at: 1e12 - n * 1000, state: "operating", message: n === 3 ? "of another" : "operating" },
  }));
  const report = { user: "ada", images: [], volumes: [], truncated: false, fpga: { images: [id], loads } };
  await ground.tell("inventory", { epoch: agent.epoch, ...report });
  const { status, headers, text } = await logOf(id);
  expect([status, headers["content-type"]]).toEqual([200, "application/x-tar"]);
  expect(Number(headers["content-length"])).toBe(Buffer.byteLength(text));
  const runs = [...text.matchAll(/"run": "(run-\d+)"/g)].map(([, run]) => run);
  expect(runs).toEqual(
    Array.from({ length: LOADS_OF_IMAGE + 1 }, (_, n) => `run-${n}`).filter((run) => run !== "run-3"),
  );
  expect(text).not.toContain("of another");
  expect(text).toContain('"idcode": "0x03822093"');
  expect(text).not.toContain(ground.data);
  await ground.ada("DELETE", `${ground.base()}/${id}`);
  expect((await logOf(id)).status).toBe(404);
});

it("what an agent tells of a transfer is kept, of a failure too, and no more than 64 KiB", async () => {
  await ground.put("obs-fpga", "fpga.bin", buildRawStream());
  const agent = await ground.startAgent();
  const id = await ground.register();
  await ground.checked();
  const [command] = await agent.claim();
  const log = "x".repeat(70_000);
  const failure = { code: "STORAGE_FULL", message: "full", data: { log } } as const;
  await agent.report(command!, { state: "failed", failure });
  const { text } = await logOf(id);
  expect(text).toContain('"message": "STORAGE_FULL: full"');
  expect(text.length).toBeLessThan(80_000);
});
