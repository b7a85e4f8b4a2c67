import fs from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fpgaProgrammerConformance } from "#test/conformance/fpga-programmer.ts";
import { SimulatedOverlays } from "#test/support/fpga/simulated-overlays.ts";
import { Overlay } from "./overlay.ts";

fpgaProgrammerConformance("overlay", async () => {
  const device = new SimulatedOverlays();
  return {
    programmer: new Overlay(device.options),
    loads: () => device.loads,
    failNext: (how) => {
      device.next =
        how === "error" ? { kind: "error", code: "EINVAL" } : { kind: "silent", state: "write error" };
    },
    leftovers: () => fs.readdirSync(path.join(device.root, "lib/firmware")),
    close: () => device.close(),
  };
});

describe("overlay", () => {
  let device: SimulatedOverlays;
  beforeEach(() => {
    device = new SimulatedOverlays();
  });
  afterEach(() => device.close());
  const load = () => {
    const at = path.join(device.root, "file");
    fs.writeFileSync(at, "stream");
    const file = { path: at, sha256: "ab".repeat(32), payloadAt: 0, payloadBytes: 6 };
    const signal = new AbortController().signal;
    return new Overlay(device.options).load(file, { partial: false, signal });
  };

  it.each(["EINVAL", "ENOENT", "ETIMEDOUT", "EBUSY"])("tells the driver's error %s", async (code) => {
    device.next = { kind: "error", code, state: "write init error" };
    await expect(load()).rejects.toMatchObject({
      code: "LOAD_FAILED",
      message: `the driver failed with ${code}, the device is "write init error"`,
    });
  });

  it("believes no device that works while the overlay is not applied", async () => {
    await load();
    device.next = { kind: "silent", state: "operating" };
    await expect(load()).rejects.toMatchObject({
      code: "LOAD_FAILED",
      message: 'the overlay is "" after the load',
    });
  });

  it("takes what the driver takes", async () => {
    const name = path.join(device.root, "sys/class/fpga_manager/fpga0/name");
    fs.writeFileSync(name, "Xilinx Zynq FPGA Manager\n");
    expect((await new Overlay(device.options).probe())?.formats).toEqual(["xilinx-bin-le"]);
    fs.writeFileSync(name, "Xilinx ZynqMP FPGA Manager\n");
    expect((await new Overlay(device.options).probe())?.formats).toEqual(["xilinx-bin-be", "xilinx-bin-le"]);
  });

  it("is not there without regions, overlays or a manager", async () => {
    for (const needed of [
      "sys/class/fpga_region",
      "sys/kernel/config/device-tree",
      "sys/class/fpga_manager",
    ]) {
      const other = new SimulatedOverlays();
      expect((await new Overlay(other.options).probe())?.driver).toBe("simulated FPGA Manager");
      fs.rmSync(path.join(other.root, needed), { recursive: true });
      expect(await new Overlay(other.options).probe()).toBeUndefined();
      other.close();
    }
    expect(() => new Overlay({ ...device.options, firmware: "../x" })).toThrow(/no bare file name/);
  });
});
