import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { FpgaDeviceConfig } from "../device-config.ts";
import {
  type DeviceProbe,
  type DeviceState,
  type FpgaProgrammer,
  LoadError,
  type LoadFile,
  type LoadOptions,
} from "../programmer/fpga-programmer.ts";
import { LOAD_MARK, type LoadAnswer, type LoadTask } from "./load-task.ts";
import { killLoading } from "./loading-processes.ts";
import { type AdapterName, makeProgrammer } from "./make-programmer.ts";

/** Beside this file, or beside the bundle that contains it. */
const WORKER = new URL(
  import.meta.url.endsWith(".ts") ? "./load-worker.ts" : "./load-worker.js",
  import.meta.url,
);
const ASK_MS = 10_000;

export type ChildProgrammerOptions = {
  adapter: AdapterName;
  device: FpgaDeviceConfig;
  /** names the device and the agent among all processes of this machine */
  mark: string;
};

/** A programmer whose loads are processes of their own, each with a deadline. */
export class ChildProgrammer implements FpgaProgrammer {
  readonly #options: ChildProgrammerOptions;

  constructor(options: ChildProgrammerOptions) {
    this.#options = options;
  }

  async probe(): Promise<DeviceProbe | undefined> {
    const { adapter, device } = this.#options;
    return makeProgrammer(adapter, device)?.probe();
  }

  load(file: LoadFile, { partial, signal }: LoadOptions): Promise<DeviceState> {
    const { deadlineMs } = this.#options.device;
    return this.#ask({ load: { file, partial } }, deadlineMs, signal);
  }

  current(): Promise<DeviceState> {
    return this.#ask({}, ASK_MS);
  }

  /** @throws LoadError, LOAD_TIMEOUT after `ms`; the reason of `signal` */
  async #ask(task: Pick<LoadTask, "load">, ms: number, signal?: AbortSignal): Promise<DeviceState> {
    const { adapter, device, mark } = this.#options;
    signal?.throwIfAborted();
    const child = spawn(process.execPath, [fileURLToPath(WORKER)], {
      env: { ...process.env, [LOAD_MARK]: mark },
      stdio: ["pipe", "pipe", "ignore"],
      // a group of its own, which ends with its tools
      detached: true,
    });
    return new Promise((resolve, reject) => {
      let said = "";
      let isOver = false;
      const end = (settle: () => void) => {
        // its close comes after its deadline too, when the device may have its next load
        if (isOver) return;
        isOver = true;
        clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
        killLoading(mark);
        child.stdout.destroy();
        settle();
      };
      const timer = setTimeout(() => {
        end(() => reject(new LoadError("LOAD_TIMEOUT", `the driver did not answer within ${ms} ms`)));
      }, ms);
      const abort = () => end(() => reject(signal?.reason));
      signal?.addEventListener("abort", abort);
      child.on("error", (cause) =>
        end(() =>
          reject(new LoadError("LOAD_FAILED", `no process could be made: ${cause.message}`, { cause })),
        ),
      );
      child.stdin.on("error", () => {});
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        said += text;
      });
      child.on("close", () => end(() => settled(said, resolve, reject)));
      child.stdin.write(`${JSON.stringify({ adapter, device, ...task } satisfies LoadTask)}\n`);
    });
  }
}

function settled(
  said: string,
  resolve: (state: DeviceState) => void,
  reject: (error: LoadError) => void,
): void {
  const answer = parsed(said);
  if (answer && "state" in answer) resolve(answer.state);
  else if (answer)
    reject(new LoadError(answer.code, answer.message, answer.driver ? { driver: answer.driver } : {}));
  else reject(new LoadError("LOAD_FAILED", "the process of the load ended without an answer"));
}

function parsed(said: string): LoadAnswer | undefined {
  try {
    return JSON.parse(said) as LoadAnswer;
  } catch {
    return undefined;
  }
}
