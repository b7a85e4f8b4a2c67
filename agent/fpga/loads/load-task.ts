import type { FpgaDeviceConfig } from "../device-config.ts";
import type { DeviceState, LoadCode, LoadFile } from "../programmer/fpga-programmer.ts";
import type { AdapterName } from "./make-programmer.ts";

/** What a child process is to do: load a file, or ask the device. One line of JSON on its standard input. */
export type LoadTask = {
  adapter: AdapterName;
  device: FpgaDeviceConfig;
  load?: { file: LoadFile; partial: boolean };
};

/** Its answer: one line of JSON on its standard output. */
export type LoadAnswer = { state: DeviceState } | { code: LoadCode; message: string; driver?: DeviceState };

/** Environment of every process that works on a load; its value names the device and the agent. */
export const LOAD_MARK = "PERIGEE_FPGA_LOAD";
