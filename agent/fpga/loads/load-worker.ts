import { createInterface } from "node:readline";
import { LoadError } from "../programmer/fpga-programmer.ts";
import type { LoadAnswer, LoadTask } from "./load-task.ts";
import { makeProgrammer } from "./make-programmer.ts";

/*
 * The process in which one device's loads are done: a write into sysfs may never come back, and nothing in the process that
 * made it can end it then. It leads a process group, with the vendor's tools in it, and ends with the agent that began it.
 */

const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => void work(JSON.parse(line) as LoadTask));
lines.once("close", () => process.kill(-process.pid, "SIGKILL"));

async function work(task: LoadTask): Promise<void> {
  process.stdout.write(`${JSON.stringify(await answerTo(task))}\n`);
}

async function answerTo({ adapter, device, load }: LoadTask): Promise<LoadAnswer> {
  try {
    const programmer = makeProgrammer(adapter, device);
    if (!programmer) throw new LoadError("NO_DEVICE", `the configuration lacks what ${adapter} needs`);
    if (!load) return { state: await programmer.current() };
    // never aborted: to stop a load its parent kills this process
    const { signal } = new AbortController();
    return { state: await programmer.load(load.file, { partial: load.partial, signal }) };
  } catch (error) {
    if (!(error instanceof LoadError)) return { code: "LOAD_FAILED", message: (error as Error).message };
    const { code, message, driver } = error;
    return { code, message, ...(driver && { driver }) };
  }
}
