import { describe, expect, test } from "vitest";
import type { EnvironmentSpec } from "#protocol/runners.ts";
import { runnerSpec } from "./runner-spec.ts";

const ID = "0-3e3b7fd1-2c0c-4b9f-9a5e-1f6d0f0f0f0f";

function networkOf(network: "none" | "open", over: Partial<EnvironmentSpec>) {
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
  const { network: given, ports } = runnerSpec(ID, { user: "ada", spec }, `sha256:${"0".repeat(64)}`, bounds);
  return { network: given, ports };
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
