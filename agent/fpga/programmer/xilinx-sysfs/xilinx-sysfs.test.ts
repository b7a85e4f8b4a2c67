import fs from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fpgaProgrammerConformance } from "#test/conformance/fpga-programmer.ts";
import { SimulatedSysfs } from "#test/support/fpga/simulated-sysfs.ts";
import { NoProgrammer } from "../no-programmer.ts";
import { XilinxSysfs } from "./xilinx-sysfs.ts";

const remove = (device: SimulatedSysfs) => fs.rmSync(device.root, { recursive: true, force: true });

fpgaProgrammerConformance("xilinx-sysfs", async () => {
  const device = await SimulatedSysfs.make();
  return {
    programmer: new XilinxSysfs({ root: device.root, files: device.files }),
    loads: () => device.loads.map(({ content }) => content),
    failNext: (how) => {
      device.next =
        how === "error" ? { kind: "error", code: "ETIMEDOUT" } : { kind: "silent", state: "write error" };
    },
    leftovers: () => fs.readdirSync(device.firmwareDirectory),
    close: () => remove(device),
  };
});

describe("xilinx-sysfs", () => {
  let device: SimulatedSysfs;
  const make = (options = {}) => new XilinxSysfs({ root: device.root, files: device.files, ...options });
  const file = () => {
    const at = path.join(device.root, "stream");
    fs.writeFileSync(at, "stream");
    return { path: at, sha256: "ab".repeat(32), payloadAt: 0, payloadBytes: 6 };
  };
  const load = (programmer: XilinxSysfs, partial = false) =>
    programmer.load(file(), { partial, signal: new AbortController().signal });
  beforeEach(async () => {
    device = await SimulatedSysfs.make();
  });
  afterEach(() => remove(device));

  it.each([
    ["Xilinx Zynq FPGA Manager", ["xilinx-bin-le"]],
    ["Xilinx ZynqMP FPGA Manager", ["xilinx-bin-be", "xilinx-bin-le"]],
    ["Xilinx Versal FPGA Manager", ["xilinx-bin-be", "xilinx-bin-le"]],
  ])("takes what the driver %s takes", async (driver, formats) => {
    remove(device);
    device = await SimulatedSysfs.make(driver);
    expect(await make().probe()).toEqual({ adapter: "xilinx-sysfs", driver, formats });
  });

  it("has nothing to load with on a mainline kernel, or without a manager", async () => {
    expect(await make({ manager: "fpga1" }).probe()).toBeUndefined();
    fs.rmSync(path.join(device.manager, "firmware"));
    expect(await make().probe()).toBeUndefined();
    await expect(load(make())).rejects.toMatchObject({ code: "NO_DEVICE" });
    await expect(make().current()).rejects.toMatchObject({ code: "NO_DEVICE" });
    expect(() => make({ manager: "../x" })).toThrow(/is no FPGA manager/);
  });

  it("says whether a part is programmed, each time", async () => {
    for (const partial of [false, true, false]) await load(make(), partial);
    expect(device.loads.map(({ flags }) => flags)).toEqual(["0", "1", "0"]);
    expect(await make().current()).toEqual({ state: "operating" });
  });

  it("uses the kernel's own directory for firmware", async () => {
    device.useFirmwareDirectory("var/firmware");
    await load(make());
    expect(device.loads).toHaveLength(1);
    expect(fs.readdirSync(path.join(device.root, "var/firmware"))).toEqual([]);
  });

  it.each(["EINVAL", "ENOENT", "ETIMEDOUT", "EBUSY", "EIO"])(
    "tells the driver's error %s, and what the device is",
    async (code) => {
      device.next = { kind: "error", code, state: "write init error" };
      fs.writeFileSync(path.join(device.manager, "status"), "CRC error\n");
      await expect(load(make())).rejects.toMatchObject({
        code: "LOAD_FAILED",
        message: `the driver failed with ${code}, the device is "write init error" ("CRC error")`,
        driver: { state: "write init error", status: "CRC error" },
      });
      expect(fs.readdirSync(device.firmwareDirectory)).toEqual([]);
    },
  );

  it("tells what the kernel said of FPGAs while it failed, and nothing else that it says", async () => {
    const log = path.join(device.root, "dev/kmsg");
    fs.mkdirSync(path.dirname(log));
    fs.writeFileSync(log, "3,1,100,-;fpga_manager fpga0: of an earlier load\n");
    const error = "3,2,200,-;fpga_manager fpga0: Error preparing for \u0007write\n SUBSYSTEM=fpga\n";
    const others = ["fpga_manager fpga1: writing b.bin", "oom-kill: task=fpga_app", "eth0: a link"]
      .map((line, n) => `6,${n},300,-;${line}\n`)
      .join("");
    const files = {
      ...device.files,
      async write(file: string, text: string) {
        if (text.endsWith(".bin")) fs.appendFileSync(log, `${error}${others}`);
        await device.files.write(file, text);
      },
    };
    device.next = { kind: "error", code: "EINVAL", state: "write init error" };
    const said = "the kernel: fpga_manager fpga0: Error preparing for ?write";
    await expect(load(make({ files }))).rejects.toMatchObject({
      code: "LOAD_FAILED",
      message: `the driver failed with EINVAL, the device is "write init error"; ${said}`,
      driver: { state: "write init error" },
    });
    device.next = { kind: "works" };
    expect(await load(make({ files }))).toEqual({ state: "operating" });
  });

  it("keeps the last of many lines of the kernel's, as far as a message may be long", async () => {
    const log = path.join(device.root, "dev/kmsg");
    fs.mkdirSync(path.dirname(log));
    fs.writeFileSync(log, "");
    const many = Array.from({ length: 5000 }, (_, n) => `3,${n},1,-;fpga_manager fpga0: line ${n}\n`).join(
      "",
    );
    const files = {
      ...device.files,
      async write(file: string, text: string) {
        fs.appendFileSync(log, many);
        await device.files.write(file, text);
      },
    };
    device.next = { kind: "silent", state: "write error" };
    const failed = await load(make({ files })).catch((error: Error) => error);
    const message = failed instanceof Error ? failed.message : "";
    expect(message).toMatch(/fpga0: line 4998; fpga_manager fpga0: line 4999$/);
    expect(message.length).toBeLessThan(450);
  });

  it("refuses what is no digest: it would become a name in the system's directory", async () => {
    const wrong = { ...file(), sha256: "../../etc/x" };
    const signal = new AbortController().signal;
    await expect(make().load(wrong, { partial: false, signal })).rejects.toMatchObject({
      code: "LOAD_FAILED",
    });
    expect(device.loads).toEqual([]);
  });
});

it("without an adapter every load says so", async () => {
  const none = new NoProgrammer();
  expect(await none.probe()).toEqual({ adapter: "none", formats: [] });
  await expect(none.load()).rejects.toMatchObject({ code: "NO_DEVICE" });
  await expect(none.current()).rejects.toMatchObject({ code: "NO_DEVICE" });
});
