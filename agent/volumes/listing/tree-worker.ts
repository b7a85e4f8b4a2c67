import { parentPort, workerData } from "node:worker_threads";
import { Directory } from "../../files/directory.ts";
import { loadTable, saveTable } from "./known-hashes.ts";
import { type ListOptions, listTree } from "./list-tree.ts";
import { measureTree } from "./measure-tree.ts";
import { ENTRIES, HASHED_MIB, STOP, type TreeAnswer, type TreeJob, type TreeState } from "./tree-job.ts";

/** A thread that walks trees with synchronous calls: they are many, short, and would hold up the agent. */

class Stopped extends Error {}

const CHUNK = 1024 * 1024;
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
      : list(directory, job);
  } catch (error) {
    if (error instanceof Stopped) return { kind: "stopped" };
    const { message, code } = error as NodeJS.ErrnoException;
    return { kind: "failed", message, ...(code !== undefined && { code }) };
  }
}

function list(directory: Directory, job: TreeJob & { kind: "list" }): TreeAnswer {
  const options: ListOptions = { ...job, known: loadTable(job.known), check };
  const { pieces, truncated, size, table, changed } = listTree(directory, options);
  if (changed) saveTable(job.known, table);
  const chunks = encode(pieces);
  const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  return { kind: "listed", chunks, bytes, size, truncated };
}

/** The text in UTF-8, in chunks with buffers of their own, which can change threads without a copy. */
function encode(pieces: string[]): Uint8Array[] {
  const encoder = new TextEncoder();
  const chunks: Uint8Array[] = [];
  let pending: string[] = [];
  let length = 0;
  const emit = () => {
    const encoded = encoder.encode(pending.join(""));
    if (encoded.length > 0) chunks.push(encoded);
    pending = [];
    length = 0;
  };
  for (const [i, piece] of pieces.entries()) {
    pending.push(piece);
    length += piece.length;
    // let go of as we go: text and bytes need not both be there whole
    pieces[i] = "";
    if (length >= CHUNK) emit();
  }
  emit();
  return chunks;
}

function check(entries: number, hashedBytes: number): void {
  Atomics.store(state, ENTRIES, entries);
  Atomics.store(state, HASHED_MIB, Math.floor(hashedBytes / (1024 * 1024)));
  if (Atomics.load(state, STOP) !== 0) throw new Stopped();
}
