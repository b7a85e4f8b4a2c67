import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { fpgaProgrammerConformance } from "#test/conformance/fpga-programmer.ts";
import { FifoDevice } from "#test/support/fpga/fifo-device.ts";
import { fpgaDevice } from "../device-config.ts";
import { ChildProgrammer } from "./child-programmer.ts";
import { LOAD_MARK } from "./load-task.ts";
import { loadingProcesses } from "./loading-processes.ts";

let made = 0;

function childOf(device: FifoDevice, deadlineMs?: number) {
  const mark = `test-${process.pid}:${made++}`;
  const config = fpgaDevice.parse({ node: "fpga", root: device.root, ...(deadlineMs && { deadlineMs }) });
  const programmer = new ChildProgrammer({ adapter: "xilinx-sysfs", device: config, mark });
  return { mark, programmer };
}

fpgaProgrammerConformance("xilinx-sysfs", async () => {
  const device = new FifoDevice();
  return {
    programmer: childOf(device).programmer,
    loads: () => device.loads,
    failNext: (how) => {
      device.fails = how === "error" ? "write init error" : "write error";
    },
    aboutToAsk: () => device.say("power up"),
    leftovers: () => fs.readdirSync(device.firmwareDirectory),
    close: () => device.close(),
  };
});

describe("a load in a process of its own", () => {
  let device: FifoDevice;
  afterEach(() => device.close());
  const file = () => {
    const at = path.join(device.root, "stream");
    fs.writeFileSync(at, "stream");
    return { path: at, sha256: "ab".repeat(32), payloadAt: 0, payloadBytes: 6 };
  };

  it("ends at its deadline when the driver takes no write, and leaves no process", async () => {
    device = new FifoDevice();
    device.block();
    const { mark, programmer } = childOf(device, 300);
    const { signal } = new AbortController();
    await expect(programmer.load(file(), { partial: false, signal })).rejects.toMatchObject({
      code: "LOAD_TIMEOUT",
      message: "the driver did not answer within 300 ms",
    });
    while (loadingProcesses(mark).length > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    device.unblock();
    expect(await programmer.current()).toEqual({ state: "operating" });
  });

  it("ends when it is stopped in the middle", async () => {
    device = new FifoDevice();
    const { programmer } = childOf(device);
    const stop = new AbortController();
    const reason = new Error("stopped");
    device.onLoad = () => {
      stop.abort(reason);
      return new Promise(() => {});
    };
    await expect(programmer.load(file(), { partial: false, signal: stop.signal })).rejects.toBe(reason);
  });

  it("finds what another agent's loads left, by their mark", async () => {
    device = new FifoDevice();
    const { mark } = childOf(device);
    const left = spawn("sleep", ["100000"], { env: { ...process.env, [LOAD_MARK]: mark } });
    await once(left, "spawn");
    while (!loadingProcesses(mark).includes(left.pid!))
      await new Promise((resolve) => setTimeout(resolve, 5));
    expect(loadingProcesses(`${mark}0`)).toEqual([]);
    left.kill("SIGKILL");
    await once(left, "close");
    expect(loadingProcesses(mark)).toEqual([]);
  });
});
