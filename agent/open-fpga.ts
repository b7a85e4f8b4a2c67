import type { Logger } from "pino";
import { later } from "./background.ts";
import type { AgentConfig } from "./config.ts";
import { type FpgaDeviceConfig, fpgaDevice } from "./fpga/device-config.ts";
import type { FpgaDevices } from "./fpga/devices/fpga-devices.ts";
import type { LoadPlace } from "./fpga/devices/load-place.ts";
import { openPodPlace } from "./fpga/kubernetes/open-pod-place.ts";
import { processPlace } from "./fpga/loads/process-place.ts";
import { LoadError } from "./fpga/programmer/fpga-programmer.ts";
import type { FpgaStore } from "./fpga/store/fpga-store.ts";
import type { RunFpga } from "./pods/runs/run-fpga.ts";

/** One device for each node of kind FPGA; on a cluster, which has a loader for them, for each that is configured. */
export function devicesOf({ nodes, fpga, kubernetes }: AgentConfig): FpgaDeviceConfig[] {
  if (kubernetes) return kubernetes.fpga ? fpga : [];
  return nodes
    .filter(({ kind }) => kind === "FPGA")
    .map(({ name }) => fpga.find(({ node }) => node === name) ?? fpgaDevice.parse({ node: name }));
}

/**
 * Where devices are programmed by the agent's configuration.
 * @param store directory of the files for them
 * @throws Error when the cluster's credentials cannot be read
 */
export async function openLoadPlace(
  { kubernetes }: AgentConfig,
  { instance, store }: { instance: string; store: string },
): Promise<LoadPlace> {
  if (kubernetes?.fpga) return openPodPlace(kubernetes, { instance, store });
  return processPlace(instance);
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
    resourceOf: (node) => devices.resourceOf(node),
    released(user) {
      later("the removal of files for FPGAs", log, () => store.tidy(user));
      later("blank files for FPGAs", log, () => devices.blankFree());
    },
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
