import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { findProgram } from "../scripts/debian-packages.ts";
import { BASE_IMAGE } from "../scripts/ensure-base-image.ts";
import { type BenchStack, podState } from "./bench-stack.ts";
import { median, type Row } from "./table.ts";

const FILES = 100_000;
const VOLUMES = 3;
const AGAIN = 3;

/** A pod that fills its volume: 100 directories of 1000 files of 4 KiB, each with another content. */
const FILL = `awk 'BEGIN {
  s = sprintf("%4084s", "");
  for (d = 0; d < ${FILES / 1000}; d++) {
    system("mkdir -p /data/d" d);
    for (i = 0; i < 1000; i++) { f = "/data/d" d "/f" i; printf "%05d %05d %s", d, i, s > f; close(f) }
  }
}'`;

/**
 * Listing 100,000 files of 4 KiB through the API, page cache warm: the first time against `find` and XXH64 of
 * every file by a native tool, again with nothing changed against `find -printf`. A new volume each round,
 * because only the first listing of a volume is a first one.
 */
export async function measureListing(bench: BenchStack): Promise<Row[]> {
  const hasher = findProgram("xxhsum");
  if (!hasher) throw new Error("the listing's peer needs xxhsum: apt-get install xxhash");
  const first: number[] = [];
  const again: number[] = [];
  const hashing: number[] = [];
  const finding: number[] = [];
  for (let n = 0; n < VOLUMES; n++) {
    const pod = `listing-${n}`;
    await fill(bench, pod);
    const tree = join(bench.volumes, pod);
    shell(`find '${tree}' -type f -print0 | xargs -0 cat > /dev/null`);
    // what was changed a moment ago is hashed again the next time, by anybody's rules
    await sleep(2_500);
    first.push(await list(bench, pod));
    hashing.push(
      await time(() => shell(`find '${tree}' -type f -print0 | xargs -0 '${hasher}' -H64 > /dev/null 2>&1`)),
    );
    for (let i = 0; i < AGAIN; i++) {
      again.push(await list(bench, pod));
      finding.push(await time(() => shell(`find '${tree}' -printf '%p %s %T@\\n' > /dev/null`)));
    }
    await bench.post("/em/pvc/delete", { pvc_name: pod });
  }
  const row = (what: string, ours: number[], name: string, peer: number[], below: number): Row => ({
    what,
    ours: `${median(ours).toFixed(0)} ms`,
    peer: `${name}: ${median(peer).toFixed(0)} ms`,
    ratio: median(ours) / median(peer),
    goal: { below },
  });
  return [
    row("listing 100,000 files, first time", first, "find + xxhsum -H64", hashing, 1.3),
    row("again, nothing changed", again, "find -printf", finding, 2),
  ];
}

async function fill(bench: BenchStack, pod: string): Promise<void> {
  await bench.post("/em/pod/run", {
    image: BASE_IMAGE,
    node: "MPU",
    max_duration: "10",
    command: FILL,
    pod_name: pod,
  });
  for (;;) {
    const { terminated } = (await podState(bench, pod)) as {
      terminated?: { exitCode: number; reason: string };
    };
    if (terminated?.exitCode === 0) return;
    if (terminated) throw new Error(`the pod that fills the volume ended with ${JSON.stringify(terminated)}`);
    await sleep(200);
  }
}

async function list(bench: BenchStack, pod: string): Promise<number> {
  return time(async () => {
    const response = await fetch(`${bench.url}/em/files/list?pod_name=${pod}`, { headers: bench.headers });
    const bytes = (await response.arrayBuffer()).byteLength;
    if (response.status !== 200 || bytes < FILES * 50)
      throw new Error(`the listing answered ${response.status}`);
  });
}

async function time(run: () => void | Promise<void>): Promise<number> {
  const begin = performance.now();
  await run();
  return performance.now() - begin;
}

function shell(command: string): void {
  execFileSync("/bin/sh", ["-c", command], { stdio: ["ignore", "ignore", "inherit"] });
}
