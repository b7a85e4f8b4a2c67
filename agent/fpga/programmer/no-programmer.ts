import { type DeviceProbe, type DeviceState, type FpgaProgrammer, LoadError } from "./fpga-programmer.ts";

/** A node without anything to program a device with: images are stored, and every load says so. */
export class NoProgrammer implements FpgaProgrammer {
  async probe(): Promise<DeviceProbe> {
    return { adapter: "none", formats: [] };
  }

  async load(): Promise<never> {
    throw noDevice();
  }

  async current(): Promise<DeviceState> {
    throw noDevice();
  }
}

function noDevice(): LoadError {
  return new LoadError("NO_DEVICE", "This node has no FPGA that the agent could program");
}
