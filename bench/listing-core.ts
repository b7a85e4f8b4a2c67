/**
 * Listing 100,000 files of 4 KiB, page cache warm: the agent's whole path (worker, hash cache, text) against
 * `find` with a native XXH64 of every file, and again with nothing changed against `find -printf`.
 * Usage: node bench/listing-core.ts [files] [rounds]
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Directory } from "#agent/files/directory.ts";
import { TreeWorker } from "#agent/volumes/listing/tree-worker-client.ts";

const FILES = Number(process.argv[2] ?? 100_000);
const ROUNDS = Number(process.argv[3] ?? 5);
const GOALS = { first: 1.3, again: 2 };

const base = mkdtempSync(join(tmpdir(), "listing-bench-"));
const tree = join(base, "volume");
try {
  const content = Buffer.alloc(4096);
  for (let i = 0; i < FILES; i++) {
    if (i % 1000 === 0) mkdirSync(join(tree, `d${i / 1000}`), { recursive: true });
    content.writeUInt32LE(i);
    writeFileSync(join(tree, `d${Math.floor(i / 1000)}`, `file-${i}.dat`), content);
  }
  // younger files' hashes are not kept
  await sleep(2500);
  shell(`find '${tree}' -type f -print0 | xargs -0 cat > /dev/null`);

  const native = best(() => shell(`find '${tree}' -type f -print0 | xargs -0 xxhsum -H64 > /dev/null`));
  const find = best(() => shell(`find '${tree}' -printf '%p %s %T@\\n' > /dev/null`));
  let first = Number.POSITIVE_INFINITY;
  let again = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const known = join(base, `known-${round}`);
    first = Math.min(first, await list(known));
    again = Math.min(again, await list(known));
  }
  console.log(`files ${FILES} of 4 KiB, best of ${ROUNDS}, ms`);
  row("first listing", first, "find + xxhsum -H64", native, GOALS.first);
  row("again, nothing changed", again, "find -printf", find, GOALS.again);
} finally {
  rmSync(base, { recursive: true });
}

/** One listing with a new thread each time, as after a pause. */
async function list(known: string): Promise<number> {
  const worker = new TreeWorker();
  using directory = Directory.open(tree);
  const begin = performance.now();
  const { bytes } = await worker.list(directory, { known, settledMs: 2000 });
  const took = performance.now() - begin;
  await worker.close();
  if (bytes < FILES * 50) throw new Error("the listing is too short");
  return took;
}

function best(run: () => void): number {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const begin = performance.now();
    run();
    least = Math.min(least, performance.now() - begin);
  }
  return least;
}

function shell(command: string): void {
  execFileSync("/bin/sh", ["-c", command]);
}

function row(ours: string, took: number, peer: string, against: number, goal: number): void {
  const ratio = took / against;
  console.log(
    `${ours} ${took.toFixed(0)} | ${peer} ${against.toFixed(0)} | ratio ${ratio.toFixed(2)} | goal < ${goal} | ${ratio < goal ? "met" : "MISSED"}`,
  );
}
