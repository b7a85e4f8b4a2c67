import type { Logger } from "pino";
import { later } from "./background.ts";
import type { AgentConfig } from "./config.ts";
import { type FpgaDeviceConfig, fpgaDevice } from "./fpga/device-config.ts";
import type { FpgaDevices } from "./fpga/devices/fpga-devices.ts";
import { LoadError } from "./fpga/programmer/fpga-programmer.ts";
import type { FpgaStore } from "./fpga/store/fpga-store.ts";
import type { RunFpga } from "./pods/runs/run-fpga.ts";

/** One device for each node of kind FPGA. Those of a cluster's nodes are not this machine's. */
export function devicesOf({ nodes, fpga, kubernetes }: AgentConfig): FpgaDeviceConfig[] {
  if (kubernetes) return [];
  return nodes
    .filter(({ kind }) => kind === "FPGA")
    .map(({ name }) => fpga.find(({ node }) => node === name) ?? fpgaDevice.parse({ node: name }));
}

/** Devices and files as runs use them. */
export function runFpga(store: FpgaStore, devices: FpgaDevices, log: Logger): RunFpga {
  return {
    find: (user, image) => store.find(user, image)?.held,
    usable: (nodes) => devices.usable(nodes),
    choose: (image, nodes, held) => devices.choose(image, nodes, held),
    interruptions: (run) => devices.interruptions(run),
    isLoaded: (node, run) => devices.isLoaded(node, run),
    filesOf: (node) => devices.filesOf(node),
    released: (user) => later("the removal of files for FPGAs", log, () => store.tidy(user)),
    async load({ image, ...of }) {
      const path = store.fileOf(of.user, image.sha256);
      if (path === undefined) return { code: "NOT_STORED", message: "the edge no longer holds the file" };
      const { offset: payloadAt, length: payloadBytes } = image.payload;
      try {
        await devices.load({ image, ...of }, { path, sha256: image.sha256, payloadAt, payloadBytes });
        return undefined;
      } catch (error) {
        if (!(error instanceof LoadError)) throw error;
        const { code, message } = error;
        return { code, message };
      }
    },
  };
}
