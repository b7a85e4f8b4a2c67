import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { MiB } from "#protocol/limits.ts";
import type { BenchStack } from "../bench-stack.ts";
import { program } from "../program.ts";
import { watchMemory } from "../resident-memory.ts";
import { scaled } from "../scale.ts";
import { startBareServer } from "../start-bare-server.ts";
import type { Row } from "../table.ts";
import { KabutoClient } from "./client.ts";

const FILES = 1000;
const KIB = scaled(1024);
/** Numbers in text: Deflate has something to do, as with most results. */
const one = (directory: string) =>
  `i=0; while [ $i -lt ${FILES} ]; do seq $((i * 7919)) $((i * 7919 + 400000)) | head -c ${KIB * 1024} > ${directory}/f$i; i=$((i+1)); done`;

/**
 * What a job leaves, 1 GiB in 1,000 files, from its outbox to the client's disk, against `zip` at the level that the agent
 * packs with, sent by a bare server.
 */
export async function measureResults(bench: BenchStack): Promise<Row[]> {
  const [zip, curl] = [program("zip"), program("curl")];
  const client = await KabutoClient.open(bench);
  const { ground, agent } = bench.stack;
  // it ends its writing, then its container's end is what begins
  const job = await client.run(`${one("/outbox")}; echo written; sleep 1`);
  while ((await client.rows(job, 0, 1)).length === 0) await client.view(job, 1);
  const memory = { ground: watchMemory(ground.pid), agent: watchMemory(agent.pid) };
  const begin = performance.now();
  await client.done(job);
  await client.results(job, join(bench.scratch, "ours.zip"));
  const ours = performance.now() - begin;
  const grown = { ground: memory.ground(), agent: memory.agent() };

  const dir = join(bench.scratch, "outbox");
  mkdirSync(dir);
  execFileSync("/bin/sh", ["-c", one(dir)]);
  const bare = await startBareServer(bench.scratch);
  const began = performance.now();
  execFileSync(zip, ["-qr6", join(bench.scratch, "bare.zip"), "."], { cwd: dir });
  execFileSync("mv", [join(bench.scratch, "bare.zip"), join(bench.scratch, "bare.bin")]);
  execFileSync(curl, ["-sS", `${bare.url}/file`, "-o", join(bench.scratch, "peer.zip")]);
  const peer = performance.now() - began;
  await bare.child.stop(2_000);
  rmSync(dir, { recursive: true });

  const size = (FILES * KIB) / 1024;
  const speed = (ms: number) => `${((size / ms) * 1000).toFixed(1)} MiB/s`;
  const growth = (what: string, bytes: number): Row => ({
    what: `${what}'s memory meanwhile`,
    ours: `+${(bytes / MiB).toFixed(0)} MiB`,
    peer: "64 MiB",
    ratio: bytes / (64 * MiB),
    goal: { below: 1 },
  });
  return [
    {
      what: `results, ${size.toFixed(0)} MiB in ${FILES} files, from outbox to disk`,
      ours: speed(ours),
      peer: `zip -6, curl from a bare server: ${speed(peer)}`,
      ratio: peer / ours,
      goal: { atLeast: 0.8 },
    },
    growth("ground", grown.ground),
    growth("agent", grown.agent),
  ];
}
