import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FifoDevice } from "#test/support/fpga/fifo-device.ts";
import { doTask } from "./do-task.ts";
import { argsOf, type LoaderTask, taskOf } from "./loader-task.ts";

const LOAD = {
  do: "load",
  adapter: "xilinx-sysfs",
  user: "ada",
  sha256: "ab".repeat(32),
  payloadAt: 3,
  payloadBytes: 4,
  partial: true,
} as const;

describe("the arguments of a loader", () => {
  it.each<LoaderTask>([{ do: "probe" }, { do: "current", adapter: "overlay" }, LOAD])("say %o", (task) => {
    expect(taskOf(argsOf(task))).toEqual(task);
  });

  it.each([
    [],
    ["sh"],
    ["probe", "more"],
    ["current", "sh"],
    ["current", "xrt"],
    ["load", "xilinx-sysfs", `../${LOAD.sha256}`, "0", "1", "full"],
    ["load", "xilinx-sysfs", `ada/../${LOAD.sha256}`, "0", "1", "full"],
    ["load", "xilinx-sysfs", `ada/${LOAD.sha256}`, "-1", "1", "full"],
    ["load", "xilinx-sysfs", `ada/${LOAD.sha256}`, "0", "1", "half"],
    [...argsOf(LOAD), "more"],
  ])("are refused as %s", (...args) => {
    expect(() => taskOf(args)).toThrow("no task");
  });
});

describe("a loader", () => {
  let device: FifoDevice;
  let directory: string;
  const content = Buffer.from("01stream89");
  const sha256 = createHash("sha256").update(content).digest("hex");
  const task = { ...LOAD, sha256, payloadAt: 2, payloadBytes: 6, partial: false };
  const places = () => ({
    ...{ node: "node1", config: join(directory, "agent.json"), root: device.root, store: directory },
  });
  const config = (fpga: object[]) => writeFileSync(places().config, JSON.stringify({ volumes: "/x", fpga }));
  beforeEach(() => {
    device = new FifoDevice();
    directory = mkdtempSync(join(tmpdir(), "loader-"));
    mkdirSync(join(directory, "ada"));
    writeFileSync(join(directory, "ada", sha256), content);
    config([]);
  });
  afterEach(() => {
    device.close();
    rmSync(directory, { recursive: true, force: true });
  });

  it("finds the device of its node, by the operator's word, and never elsewhere than where it is mounted", async () => {
    expect(await doTask({ do: "probe" }, places())).toMatchObject({ probe: { adapter: "xilinx-sysfs" } });
    config([
      { node: "other", adapter: "none" },
      { node: "node1", manager: "fpga7", root: "/elsewhere" },
    ]);
    expect(await doTask({ do: "probe" }, places())).toEqual({ probe: null });
    config([{ node: "node1", adapter: "none" }]);
    expect(await doTask({ do: "probe" }, places())).toEqual({ probe: null });
  });

  it("gives the device the payload, and leaves nothing", async () => {
    expect(await doTask(task, places())).toEqual({ state: { state: "operating" } });
    expect(device.loads.map(String)).toEqual(["stream"]);
    expect(readdirSync(device.firmwareDirectory)).toEqual([]);
  });

  it("touches no device with a file that is gone, or is another", async () => {
    writeFileSync(join(directory, "ada", sha256), "02stream89");
    await expect(doTask(task, places())).rejects.toMatchObject({ code: "NOT_STORED" });
    rmSync(join(directory, "ada", sha256));
    await expect(doTask(task, places())).rejects.toMatchObject({ code: "NOT_STORED" });
    expect(device.loads).toEqual([]);
  });
});
