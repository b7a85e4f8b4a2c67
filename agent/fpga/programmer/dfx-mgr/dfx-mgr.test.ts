import fs from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fpgaProgrammerConformance } from "#test/conformance/fpga-programmer.ts";
import { SimulatedTools } from "#test/support/fpga/simulated-tools.ts";
import { DfxMgr } from "./dfx-mgr.ts";

fpgaProgrammerConformance("dfx-mgr", async () => {
  const tools = new SimulatedTools("dfx-mgr-client");
  return {
    programmer: new DfxMgr({ root: tools.root, package: tools.package }),
    loads: () => tools.loads(),
    failNext: (how) => {
      tools.mode = how === "error" ? "fails" : "other";
    },
    leftovers: () => fs.readdirSync(tools.package.directory),
    close: () => tools.close(),
  };
});

describe("dfx-mgr", () => {
  let tools: SimulatedTools;
  beforeEach(() => {
    tools = new SimulatedTools("dfx-mgr-client");
  });
  afterEach(() => tools.close());
  const make = () => new DfxMgr({ root: tools.root, package: tools.package });
  const load = (signal = new AbortController().signal) => {
    const at = path.join(tools.root, "file");
    fs.writeFileSync(at, "stream");
    const file = { path: at, sha256: "ab".repeat(32), payloadAt: 0, payloadBytes: 6 };
    return make().load(file, { partial: false, signal });
  };

  it.each([
    ["fails", /-load ended with 1 \(simulated: load Error: -1\)/],
    ["nonsense", /named no slot: 0 \(%% \?\)/],
    ["other", /the device is "write error" after the load/],
  ] as const)("tells what the client said when it %s", async (mode, message) => {
    tools.mode = mode;
    await expect(load()).rejects.toMatchObject({
      code: "LOAD_FAILED",
      message: expect.stringMatching(message),
    });
    expect(fs.readdirSync(tools.package.directory)).toEqual([]);
  });

  it("ends a client that hangs", async () => {
    tools.mode = "hangs";
    const stop = new AbortController();
    const loading = load(stop.signal);
    await tools.hanging();
    const reason = new Error("stopped");
    stop.abort(reason);
    await expect(loading).rejects.toBe(reason);
    expect(await make().current()).toEqual({ state: "power up" });
  });

  it("is not there without the client or a manager", async () => {
    fs.rmSync(path.join(tools.root, "sys"), { recursive: true });
    expect(await make().probe()).toBeUndefined();
    await expect(load()).rejects.toMatchObject({ code: "NO_DEVICE" });
    fs.rmSync(path.join(tools.root, "bin"), { recursive: true });
    expect(await make().probe()).toBeUndefined();
    const wrong = { ...tools.package, bitstream: "../x" };
    expect(() => new DfxMgr({ package: wrong })).toThrow(/is no bare name/);
  });
});
