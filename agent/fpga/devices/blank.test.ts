import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pino } from "pino";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { FpgaImage } from "#protocol/fpga-image.ts";
import { fpgaDevice } from "../device-config.ts";
import { type FpgaProgrammer, LoadError } from "../programmer/fpga-programmer.ts";
import { FpgaDevices } from "./fpga-devices.ts";

const IMAGE: FpgaImage = {
  ...{ image: "0".repeat(32), sha256: "ab".repeat(32), bytes: 10, format: "xilinx-bin-be" },
  ...{ payload: { offset: 0, length: 10 }, checks: {}, metadata: "{}" },
};
const FILE = { path: "/users/file", sha256: IMAGE.sha256, payloadAt: 0, payloadBytes: 10 };
const log = pino({ level: "silent" });

let directory: string;
let blank: string;
let db: DatabaseSync;
/** paths of what was loaded, in order */
let loaded: string[];
/** what the next loads do first */
let instead: (() => Promise<void>)[];
let held: Set<string>;
beforeEach(() => {
  directory = fs.mkdtempSync(path.join(tmpdir(), "fpga-blank-"));
  blank = path.join(directory, "blank.bin");
  fs.writeFileSync(blank, "blank");
  db = new DatabaseSync(":memory:");
  loaded = [];
  instead = [];
  held = new Set();
});
afterEach(() => fs.rmSync(directory, { recursive: true }));

async function open(config: object = { blank }): Promise<FpgaDevices> {
  const programmer: FpgaProgrammer = {
    probe: async () => ({ adapter: "xilinx-sysfs", formats: ["xilinx-bin-be"] }),
    async load(file) {
      await instead.shift()?.();
      loaded.push(file.path);
      return { state: "operating" };
    },
    current: async () => ({ state: "operating" }),
  };
  const devices = new FpgaDevices({
    devices: [fpgaDevice.parse({ node: "fpga", ...config })],
    place: { programmers: () => [programmer], clear: async () => false },
    ...{ db, log, isHeld: (node: string) => held.has(node) },
  });
  await devices.look();
  return devices;
}
const load = (devices: FpgaDevices, run = "r1") =>
  devices.load({ run, user: "ada", node: "fpga", image: IMAGE }, FILE);

it("a device is blank when the last run that held it has ended, once", async () => {
  const devices = await open();
  await devices.blankFree();
  expect(loaded).toEqual([]);
  held.add("fpga");
  await load(devices);
  await devices.blankFree();
  expect(loaded).toEqual([FILE.path]);
  expect(devices.reports()).toMatchObject([{ loaded: { user: "ada", run: "r1" } }]);
  held.clear();
  await devices.blankFree();
  await devices.blankFree();
  expect(loaded).toEqual([FILE.path, blank]);
  expect(devices.reports()[0]).not.toHaveProperty("loaded");
  expect(devices.isLoaded("fpga", "r1")).toBe(false);
  expect(devices.users()).toEqual(["ada"]);
});

it("a run that comes meanwhile has its own design, loaded after it", async () => {
  const devices = await open();
  await load(devices);
  const [begun, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  instead.push(() => {
    begun.resolve();
    return goOn.promise;
  });
  const blanking = devices.blankFree();
  await begun.promise;
  held.add("fpga");
  const own = load(devices, "r2");
  goOn.resolve();
  await Promise.all([blanking, own]);
  expect(loaded).toEqual([FILE.path, blank, FILE.path]);
  expect(devices.isLoaded("fpga", "r2")).toBe(true);
});

it("what an agent's death or a failure left is made up for at the next start", async () => {
  const first = await open();
  await load(first);
  instead.push(() => Promise.reject(new LoadError("LOAD_FAILED", "write error")));
  await first.blankFree();
  expect(loaded).toEqual([FILE.path]);
  const second = await open();
  instead.push(() => new Promise(() => {}));
  void second.blankFree();
  while (instead.length > 0) await new Promise(setImmediate);
  const third = await open();
  await third.blankFree();
  expect(loaded).toEqual([FILE.path, blank]);
});

it("without such a file, or when it is gone, nothing is loaded, and the device is there for runs", async () => {
  for (const config of [{}, { blank: path.join(directory, "none") }]) {
    const devices = await open(config);
    await load(devices);
    await devices.blankFree();
    expect(devices.isLoaded("fpga", "r1")).toBe(true);
  }
  expect(loaded).toEqual([FILE.path, FILE.path]);
});
