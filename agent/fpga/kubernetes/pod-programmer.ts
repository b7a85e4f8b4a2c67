import path from "node:path";
import type { FpgaDeviceConfig } from "../device-config.ts";
import type { LoaderAnswer } from "../loader/loader-task.ts";
import type { AdapterName } from "../loads/make-programmer.ts";
import {
  type DeviceProbe,
  type DeviceState,
  type FpgaProgrammer,
  LoadError,
  type LoadFile,
  type LoadOptions,
} from "../programmer/fpga-programmer.ts";
import type { LoaderPods } from "./loader-pods.ts";

const ASK_MS = 20_000;

/** The device of a cluster's node, which loaders there find, ask and program. */
export class PodProgrammer implements FpgaProgrammer {
  readonly #device: FpgaDeviceConfig;
  readonly #pods: Pick<LoaderPods, "run">;
  #adapter: AdapterName | undefined;

  constructor(device: FpgaDeviceConfig, pods: Pick<LoaderPods, "run">) {
    this.#device = device;
    this.#pods = pods;
  }

  async probe(): Promise<DeviceProbe | undefined> {
    const answer = await this.#pods.run(this.#device, { do: "probe" }, ASK_MS);
    if (!("probe" in answer)) throw failureOf(answer);
    this.#adapter = answer.probe?.adapter as AdapterName | undefined;
    return answer.probe ?? undefined;
  }

  async load(file: LoadFile, { partial, signal }: LoadOptions): Promise<DeviceState> {
    const { sha256, payloadAt, payloadBytes } = file;
    // users' files lie in directories of their names
    const user = path.basename(path.dirname(file.path));
    const task = { do: "load", user, sha256, payloadAt, payloadBytes, partial } as const;
    return stateOf(
      await this.#pods.run(
        this.#device,
        { ...task, adapter: this.#found() },
        this.#device.deadlineMs,
        signal,
      ),
    );
  }

  async current(): Promise<DeviceState> {
    return stateOf(await this.#pods.run(this.#device, { do: "current", adapter: this.#found() }, ASK_MS));
  }

  #found(): AdapterName {
    if (this.#adapter) return this.#adapter;
    throw new LoadError("NO_DEVICE", `the node ${this.#device.node} has no FPGA that can be programmed`);
  }
}

function stateOf(answer: LoaderAnswer): DeviceState {
  if ("state" in answer) return answer.state;
  throw failureOf(answer);
}

function failureOf(answer: LoaderAnswer): LoadError {
  if (!("code" in answer)) return new LoadError("LOAD_FAILED", "the loader answered something else");
  const { code, message, driver } = answer;
  return new LoadError(code, message, driver && { driver });
}
