import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
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

type Child = ChildProcessByStdio<Writable, Readable, null>;

/**
 * A programmer whose loads are done in another process, each with a deadline. The process is there before it is needed,
 * as its start takes longer than most loads, and goes on to the next load; one that did not come back gets no other.
 */
export class ChildProgrammer implements FpgaProgrammer {
  readonly #options: ChildProgrammerOptions;
  #child: Child | undefined;

  constructor(options: ChildProgrammerOptions) {
    this.#options = options;
  }

  async probe(): Promise<DeviceProbe | undefined> {
    const { adapter, device } = this.#options;
    const probe = await makeProgrammer(adapter, device)?.probe();
    if (probe) this.#ready();
    return probe;
  }

  load(file: LoadFile, { partial, signal }: LoadOptions): Promise<DeviceState> {
    const { deadlineMs } = this.#options.device;
    return this.#ask({ load: { file, partial } }, deadlineMs, signal);
  }

  current(): Promise<DeviceState> {
    return this.#ask({}, ASK_MS);
  }

  /** Nothing is done any more: what is under way gets no end. */
  close(): void {
    this.#child = undefined;
    killLoading(this.#options.mark);
  }

  /** A process that waits for its task, and keeps no program from its end. */
  #ready(): Child {
    if (this.#child) return this.#child;
    const child = spawn(process.execPath, [fileURLToPath(WORKER)], {
      env: { ...process.env, [LOAD_MARK]: this.#options.mark },
      stdio: ["pipe", "pipe", "ignore"],
      // a group of its own, which ends with its tools
      detached: true,
    });
    const gone = () => {
      if (this.#child === child) this.#child = undefined;
    };
    // asked anew it tells why
    child.on("error", gone).on("exit", gone);
    child.stdin.on("error", () => {});
    child.stdout.setEncoding("utf8");
    keepsAwake(child, false);
    this.#child = child;
    return child;
  }

  /** @throws LoadError, LOAD_TIMEOUT after `ms`; the reason of `signal` */
  async #ask(task: Pick<LoadTask, "load">, ms: number, signal?: AbortSignal): Promise<DeviceState> {
    const { adapter, device, mark } = this.#options;
    signal?.throwIfAborted();
    const child = this.#ready();
    keepsAwake(child, true);
    return new Promise((resolve, reject) => {
      let said = "";
      const end = (settle: () => void, { isFree = false } = {}) => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
        child.stdout.off("data", hear);
        child.off("error", failed).off("close", closed);
        keepsAwake(child, false);
        if (!isFree && this.#child === child) this.#child = undefined;
        // also what a tool of it has left
        killLoading(mark, isFree ? child.pid : undefined);
        settle();
      };
      const timer = setTimeout(() => {
        end(() => reject(new LoadError("LOAD_TIMEOUT", `the driver did not answer within ${ms} ms`)));
      }, ms);
      const abort = () => end(() => reject(signal?.reason));
      const failed = (cause: Error) =>
        end(() =>
          reject(new LoadError("LOAD_FAILED", `no process could be made: ${cause.message}`, { cause })),
        );
      const closed = () => end(() => settled(said, resolve, reject));
      const hear = (text: string) => {
        said += text;
        if (said.endsWith("\n")) end(() => settled(said, resolve, reject), { isFree: true });
      };
      signal?.addEventListener("abort", abort);
      child.on("error", failed).on("close", closed);
      child.stdout.on("data", hear);
      child.stdin.write(`${JSON.stringify({ adapter, device, ...task } satisfies LoadTask)}\n`);
    });
  }
}

/** Does this program stay for what the process says? */
function keepsAwake(child: Child, does: boolean): void {
  const verb = does ? "ref" : "unref";
  child[verb]();
  // they are sockets
  for (const stream of [child.stdin, child.stdout] as unknown as Record<typeof verb, () => void>[])
    stream[verb]();
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
