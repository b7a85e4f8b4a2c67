import fs from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fpgaProgrammerConformance } from "#test/conformance/fpga-programmer.ts";
import { SimulatedTools, type ToolMode } from "#test/support/fpga/simulated-tools.ts";
import { Xrt } from "./xrt.ts";

fpgaProgrammerConformance("xrt", async () => {
  const tools = new SimulatedTools("xrt-smi");
  const failing = new Map<string, ToolMode>([
    ["error", "fails"],
    ["silent", "other"],
  ]);
  return {
    programmer: new Xrt(),
    loads: () => tools.loads(),
    failNext: (how) => {
      tools.mode = failing.get(how)!;
    },
    leftovers: () => [],
    close: () => tools.close(),
  };
});

describe("xrt", () => {
  let tools: SimulatedTools;
  beforeEach(() => {
    tools = new SimulatedTools("xbutil");
  });
  afterEach(() => tools.close());
  const load = (signal = new AbortController().signal, bytes = 1000) => {
    const at = path.join(tools.root, "file");
    fs.writeFileSync(at, Buffer.alloc(bytes, 7));
    const file = { path: at, sha256: "ab".repeat(32), payloadAt: 0, payloadBytes: bytes };
    return new Xrt({ bdf: "01:00.1" }).load(file, { partial: false, signal });
  };

  it("takes the tool's older name, and names the design that the card reports", async () => {
    expect(await new Xrt().probe()).toEqual({ adapter: "xrt", driver: "xbutil", formats: ["xclbin"] });
    expect(await new Xrt().current()).toEqual({ state: "unknown" });
    const loaded = { state: "operating", status: "07".repeat(16) };
    expect(await load()).toEqual(loaded);
    expect(await new Xrt().current()).toEqual(loaded);
  });

  it.each([
    ["fails", /program ended with 1 \(ERROR: simulated: the card refuses\)/],
    ["nonsense", /the device reports no design/],
    ["other", /the device reports 0{28}beef, not 07/],
  ] as const)("tells what the tool said when it %s", async (mode, message) => {
    tools.mode = mode;
    await expect(load()).rejects.toMatchObject({
      code: "LOAD_FAILED",
      message: expect.stringMatching(message),
    });
  });

  it("ends a tool that hangs", async () => {
    tools.mode = "hangs";
    const stop = new AbortController();
    const loading = load(stop.signal);
    await tools.hanging();
    const reason = new Error("stopped");
    stop.abort(reason);
    await expect(loading).rejects.toBe(reason);
  });

  it("is not there without a tool, or without the card; a file needs a uuid", async () => {
    expect(await new Xrt({ bdf: "0000:02:00.0" }).probe()).toBeUndefined();
    await expect(load(undefined, 100)).rejects.toMatchObject({ message: /has no uuid/ });
    fs.rmSync(path.join(tools.root, "bin/xbutil"));
    expect(await new Xrt().probe()).toBeUndefined();
    await expect(load()).rejects.toMatchObject({ code: "NO_DEVICE" });
    expect(() => new Xrt({ bdf: "../x" })).toThrow(/is no address/);
  });
});
