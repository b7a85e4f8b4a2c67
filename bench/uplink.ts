import { execFileSync } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { closeSync, fsyncSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { MiB } from "#protocol/limits.ts";
import type { BenchStack } from "./bench-stack.ts";
import { watchMemory } from "./resident-memory.ts";
import { startBareServer } from "./start-bare-server.ts";
import { median, type Row } from "./table.ts";

const ROUNDS = 4;
const MEMORY_GOAL = 64;

/**
 * 1 GiB uplinked to the volume, against the same bytes sent by curl to a bare Node server that pipes them to
 * disk, and fetched again by curl to disk: the same two legs, both files fsynced. And how far the resident
 * memory of ground and agent grows meanwhile, over what it is after a 64 MiB warm-up.
 */
export async function measureUplink(bench: BenchStack): Promise<Row[]> {
  const big = makeFile(join(bench.scratch, "big.bin"), 1024);
  const small = makeFile(join(bench.scratch, "small.bin"), 64);
  const bare = await startBareServer(bench.scratch);
  try {
    uplink(bench, small);
    await clear(bench);
    const peaks = { ground: watchMemory(bench.stack.ground.pid), agent: watchMemory(bench.stack.agent.pid) };
    const ours: number[] = [];
    const peer: number[] = [];
    const copy = join(bench.scratch, "copy.bin");
    const turns = [
      async () => {
        ours.push(time(() => uplink(bench, big)));
        await clear(bench);
      },
      async () => {
        peer.push(
          time(() => {
            curl(["-T", big, `${bare.url}/file`]);
            curl(["-o", copy, `${bare.url}/file`]);
            sync(copy);
          }),
        );
        rmSync(copy);
      },
    ];
    for (let round = 0; round < ROUNDS; round++) {
      // Who comes second finds memory that the first has just freed: in turns
      for (const turn of round % 2 === 0 ? turns : turns.toReversed()) await turn();
    }
    const speed = (ms: number) => `${((1024 / ms) * 1000).toFixed(0)} MiB/s`;
    const memory = (name: "ground" | "agent"): Row => {
      const grown = peaks[name]() / MiB;
      return {
        what: `memory growth of the ${name} meanwhile`,
        ours: `${grown.toFixed(1)} MiB`,
        peer: `limit ${MEMORY_GOAL} MiB`,
        ratio: grown / MEMORY_GOAL,
        goal: { below: 1 },
      };
    };
    return [
      {
        what: "uplink of 1 GiB to the volume",
        ours: speed(median(ours)),
        peer: `curl, bare server, curl: ${speed(median(peer))}`,
        ratio: median(peer) / median(ours),
        goal: { atLeast: 0.8 },
      },
      memory("ground"),
      memory("agent"),
    ];
  } finally {
    await bare.child.stop(2_000);
    for (const path of [big, small]) rmSync(path);
  }
}

function uplink(bench: BenchStack, path: string): void {
  const { authorization } = bench.headers;
  // The header goes by stdin: an argument could be seen by everybody in ps
  const config = `header = "Authorization: ${authorization.split(": ").at(-1)}"\n`;
  curl(
    [
      "-K",
      "-",
      "-F",
      `files=@${path};filename=big.bin`,
      "-F",
      "pod_name=bench",
      `${bench.url}/em/files/uplink`,
    ],
    config,
  );
}

async function clear(bench: BenchStack): Promise<void> {
  await bench.post("/em/files/delete", { filepath: "big.bin", pod_name: "bench" });
}

function curl(args: string[], input = ""): void {
  execFileSync("curl", ["--silent", "--show-error", "--fail-with-body", ...args], {
    input,
    stdio: ["pipe", "pipe", "inherit"],
  });
}

function time(run: () => void): number {
  const begin = performance.now();
  run();
  return performance.now() - begin;
}

function sync(path: string): void {
  const fd = openSync(path, "r+");
  fsyncSync(fd);
  closeSync(fd);
}

function makeFile(path: string, mebibytes: number): string {
  const fd = openSync(path, "w");
  const chunk = Buffer.alloc(MiB);
  for (let i = 0; i < mebibytes; i++) writeSync(fd, randomFillSync(chunk));
  fsyncSync(fd);
  closeSync(fd);
  return path;
}
