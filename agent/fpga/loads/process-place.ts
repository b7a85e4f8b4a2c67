import { setTimeout as sleep } from "node:timers/promises";
import type { LoadPlace } from "../devices/load-place.ts";
import { ChildProgrammer } from "./child-programmer.ts";
import { killLoading, loadingProcesses } from "./loading-processes.ts";
import { ADAPTERS } from "./make-programmer.ts";

/** One that can be ended has ended after so many looks, of so many ms each. */
const LOOKS = 50;
const LOOK_MS = 20;

/** Devices of this machine: loads are done by processes of their own. @param instance of this agent, among all processes of the machine */
export function processPlace(instance: string): LoadPlace {
  const markOf = ({ node }: { node: string }) => `${instance}:${node}`;
  const made: ChildProgrammer[] = [];
  return {
    *programmers(device) {
      for (const adapter of device.adapter ? [device.adapter] : ADAPTERS) {
        if (adapter === "none") continue;
        const programmer = new ChildProgrammer({ adapter, device, mark: markOf(device) });
        made.push(programmer);
        yield programmer;
      }
    },
    async clear(device) {
      const mark = markOf(device);
      killLoading(mark);
      for (let looks = 0; looks < LOOKS && loadingProcesses(mark).length > 0; looks++) await sleep(LOOK_MS);
      return loadingProcesses(mark).length > 0;
    },
    close() {
      for (const programmer of made) programmer.close();
    },
  };
}
