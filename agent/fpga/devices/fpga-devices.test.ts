import { DatabaseSync } from "node:sqlite";
import { pino } from "pino";
import { expect, it } from "vitest";
import type { FpgaImage } from "#protocol/fpga-image.ts";
import { fpgaDevice } from "../device-config.ts";
import type { FpgaProgrammer } from "../programmer/fpga-programmer.ts";
import { FpgaDevices } from "./fpga-devices.ts";

const image = (metadata = {}): FpgaImage => ({
  ...{ image: "0".repeat(32), sha256: "ab".repeat(32), bytes: 10, format: "xilinx-bin-be" },
  ...{ payload: { offset: 0, length: 10 }, checks: { idcode: 0x03822093 } },
  metadata: JSON.stringify(metadata),
});
const NODES = ["a", "b"];

async function open(configs: object[] = NODES.map((node) => ({ node })), adapter = "xilinx-sysfs") {
  const programmer: FpgaProgrammer = {
    probe: async () => ({ adapter, formats: ["xilinx-bin-be"] }),
    load: async () => ({ state: "operating" }),
    current: async () => ({ state: "operating" }),
  };
  const devices = new FpgaDevices({
    devices: configs.map((config) => fpgaDevice.parse(config)),
    place: { programmers: () => [programmer], clear: async () => false },
    ...{ db: new DatabaseSync(":memory:"), log: pino({ level: "silent" }), isHeld: () => false },
  });
  await devices.look();
  return devices;
}
const nodes = (...ready: string[]) => NODES.map((name) => ({ name, isReady: ready.includes(name) }));

it("an image waits for a node that is not ready, if no other one takes it", async () => {
  const devices = await open();
  const none = new Set<string>();
  const waits = { waits: "the node of the FPGA that takes the image is not ready" };
  expect(devices.choose(image(), nodes("b"), none)).toEqual({ node: "b" });
  expect(devices.choose(image({ perigee_node: "a" }), nodes("b"), none)).toEqual(waits);
  expect(devices.choose(image({ perigee_node: "a" }), nodes("a"), none)).toEqual({ node: "a" });
  expect(devices.choose(image(), nodes("b"), new Set(["b"]))).toHaveProperty("waits");
  // the one that is ready is of another part
  const [a, b] = [{ node: "a" }, { node: "b", idcode: "0x03823093" }];
  expect((await open([a, b])).choose(image(), nodes("b"), none)).toEqual(waits);
  expect((await open([b])).choose(image(), nodes("b"), none)).toMatchObject({ code: "DEVICE_MISMATCH" });
  expect(devices.choose(image({ perigee_node: "c" }), nodes("a"), none)).toMatchObject({ code: "NO_DEVICE" });
});

it("a partial file waits for nothing where the adapter programs the whole device", async () => {
  const devices = await open([{ node: "a" }], "overlay");
  const partial = image({ perigee_partial: true });
  expect(devices.choose(partial, nodes("a"), new Set())).toMatchObject({ code: "FORMAT_UNSUPPORTED" });
  const own = await open([{ node: "a", partial: true }], "overlay");
  expect(own.choose(partial, nodes("a"), new Set())).toEqual({ node: "a" });
});
