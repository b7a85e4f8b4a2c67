import type { LoadPlace } from "../devices/load-place.ts";
import { ChildProgrammer } from "./child-programmer.ts";
import { killLoading, loadingProcesses } from "./loading-processes.ts";
import { ADAPTERS } from "./make-programmer.ts";

/** Devices of this machine: each load is a process of its own. @param instance of this agent, among all processes of the machine */
export function processPlace(instance: string): LoadPlace {
  const markOf = ({ node }: { node: string }) => `${instance}:${node}`;
  return {
    *programmers(device) {
      for (const adapter of device.adapter ? [device.adapter] : ADAPTERS) {
        if (adapter !== "none") yield new ChildProgrammer({ adapter, device, mark: markOf(device) });
      }
    },
    async clear(device) {
      killLoading(markOf(device));
      return loadingProcesses(markOf(device)).length > 0;
    },
  };
}
