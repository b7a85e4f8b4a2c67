import type { AdapterName } from "../loads/make-programmer.ts";
import type { DeviceProbe, DeviceState, LoadCode } from "../programmer/fpga-programmer.ts";

/** Those that need nothing of a node but the kernel's files, in the order in which they are looked for. */
export const LOADER_ADAPTERS: readonly AdapterName[] = ["overlay", "xilinx-sysfs"];

/** What a loader is to do with the device of its node; it is told in the arguments of its program. */
export type LoaderTask =
  | { do: "probe" }
  | { do: "current"; adapter: AdapterName }
  | {
      do: "load";
      adapter: AdapterName;
      user: string;
      sha256: string;
      payloadAt: number;
      payloadBytes: number;
      partial: boolean;
    };

/** Its answer: JSON, in the message of its container's end. `probe`: null when nothing is there to load with. */
export type LoaderAnswer =
  | { probe: DeviceProbe | null }
  | { state: DeviceState }
  | { code: LoadCode; message: string; driver?: DeviceState };

/** Bytes that a container's last message may have. */
export const MOST_SAID = 4096;

/** As arguments; the admission policy of the cluster knows them too. */
export function argsOf(task: LoaderTask): string[] {
  if (task.do === "probe") return ["probe"];
  if (task.do === "current") return ["current", task.adapter];
  const { adapter, user, sha256, payloadAt, payloadBytes, partial } = task;
  const how = partial ? "partial" : "full";
  return ["load", adapter, `${user}/${sha256}`, String(payloadAt), String(payloadBytes), how];
}

/** @throws Error for what is no task */
export function taskOf(args: readonly string[]): LoaderTask {
  const [verb, adapter, file, at, bytes, how, ...more] = args;
  if (verb === "probe" && args.length === 1) return { do: "probe" };
  if (!isAdapter(adapter) || more.length > 0) throw new Error("no task");
  if (verb === "current" && args.length === 2) return { do: "current", adapter };
  const [, user, sha256] = /^([a-z0-9]{1,32})\/([0-9a-f]{64})$/.exec(file ?? "") ?? [];
  const numbers = [at, bytes].map((text) => (/^\d{1,15}$/.test(text ?? "") ? Number(text) : undefined));
  const [payloadAt, payloadBytes] = numbers;
  if (verb !== "load" || !user || !sha256 || payloadAt === undefined || payloadBytes === undefined)
    throw new Error("no task");
  if (how !== "full" && how !== "partial") throw new Error("no task");
  return { do: "load", adapter, user, sha256, payloadAt, payloadBytes, partial: how === "partial" };
}

function isAdapter(name: string | undefined): name is AdapterName {
  return (LOADER_ADAPTERS as readonly (string | undefined)[]).includes(name);
}
