import { describe, expect, test } from "vitest";
import type { EnvironmentSpec } from "#protocol/runners.ts";
import { runnerSpec } from "./runner-spec.ts";

const ID = "0-3e3b7fd1-2c0c-4b9f-9a5e-1f6d0f0f0f0f";

function specOf(network: "none" | "open", over: Partial<EnvironmentSpec>) {
  const spec = {
    image: "runner",
    prewarmingPoolSize: 1,
    cpuLimit: 20,
    memoryLimit: 100,
    networkAccess: false,
    exposedPorts: null,
    ...over,
  };
  const bounds = { memoryBytes: 2 ** 30, maxCpus: 2, scratchBytes: 2 ** 30, network };
  return runnerSpec(ID, { user: "ada", spec }, `sha256:${"0".repeat(64)}`, bounds);
}

function networkOf(asked: "none" | "open", over: Partial<EnvironmentSpec>) {
  const { network, ports } = specOf(asked, over);
  return { network, ports };
}

describe("the network of a runner", () => {
  test("takes both: the operator's word and the environment's", () => {
    const asked = { networkAccess: true, exposedPorts: [80, 8080, 80] };
    expect(networkOf("open", asked)).toEqual({ network: "open", ports: [80, 8080] });
    expect(networkOf("none", asked)).toEqual({ network: "none", ports: [] });
    expect(networkOf("open", { exposedPorts: [80] })).toEqual({ network: "none", ports: [] });
    expect(networkOf("open", { networkAccess: true })).toEqual({ network: "open", ports: [] });
  });
});

test("MHz are a share of the processors, within what engines take", () => {
  for (const [cpuLimit, cpuShares] of [
    [0, undefined],
    [0.1, 2],
    [20, 20],
    [1000, 1024],
    [1e308, 262_144],
  ] as const) {
    const { runner } = specOf("none", { cpuLimit });
    expect([cpuLimit, runner?.cpuShares]).toEqual([cpuLimit, cpuShares]);
  }
  expect(specOf("none", { cpuLimit: 1e308 }).runner?.cpuMillis).toBe(2000);
});

test("MiB are a bound, which is never above the operator's", () => {
  for (const [memoryLimit, memoryBytes] of [
    [0, 2 ** 30],
    [1, 6 * 2 ** 20],
    [256, 256 * 2 ** 20],
    [2 ** 31 - 1, 2 ** 30],
  ] as const) {
    expect([memoryLimit, specOf("none", { memoryLimit }).limits?.memoryBytes]).toEqual([
      memoryLimit,
      memoryBytes,
    ]);
  }
});
