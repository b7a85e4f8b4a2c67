import { parentPort, workerData } from "node:worker_threads";
import { Directory } from "../../files/directory.ts";
import { listVolume } from "./list-volume.ts";
import { measureTree } from "./measure-tree.ts";
import { ENTRIES, HASHED_MIB, STOP, type TreeAnswer, type TreeJob, type TreeState } from "./tree-job.ts";

/** A worker thread that walks trees with many short synchronous calls, which would block the agent's event loop. */

class Stopped extends Error {}

const state = workerData as TreeState;

parentPort?.on("message", (job: TreeJob) => {
  const answer = answerTo(job);
  const transfer = answer.kind === "listed" ? answer.chunks.map((chunk) => chunk.buffer as ArrayBuffer) : [];
  parentPort?.postMessage(answer, transfer);
});

function answerTo(job: TreeJob): TreeAnswer {
  try {
    const directory = Directory.adopt(job.fd);
    return job.kind === "measure"
      ? { kind: "measured", ...measureTree(directory, (entries) => check(entries, 0)) }
      : { kind: "listed", ...listVolume(directory, { ...job, check }) };
  } catch (error) {
    if (error instanceof Stopped) return { kind: "stopped" };
    const { message, code } = error as NodeJS.ErrnoException;
    return { kind: "failed", message, ...(code !== undefined && { code }) };
  }
}

function check(entries: number, hashedBytes: number): void {
  Atomics.store(state, ENTRIES, entries);
  Atomics.store(state, HASHED_MIB, Math.floor(hashedBytes / (1024 * 1024)));
  if (Atomics.load(state, STOP) !== 0) throw new Stopped();
}
