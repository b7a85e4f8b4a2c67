import type { RunFpga } from "./run-fpga.ts";

const NO_DEVICE = { code: "NO_DEVICE", message: "this edge has no FPGA that can be programmed" };

/** An edge without FPGAs: every run with an FPGA image says so. */
export const NO_FPGA: RunFpga = {
  find: () => undefined,
  usable: (nodes) => [...nodes],
  choose: () => NO_DEVICE,
  interruptions: () => 0,
  load: async () => NO_DEVICE,
  isLoaded: () => false,
  filesOf: () => [],
  resourceOf: () => undefined,
  released: () => undefined,
};
