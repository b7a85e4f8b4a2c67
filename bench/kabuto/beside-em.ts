import type { BenchStack } from "../bench-stack.ts";
import { scaled } from "../scale.ts";
import { median, type Row } from "../table.ts";
import { KabutoClient } from "./client.ts";

const ROUNDS = scaled(60);
const JOBS = 4;
const TURNS = 3;

/** The EM API's `files/list` of a small volume while four jobs sleep, against none, in turns. */
export async function measureBesideEm(bench: BenchStack): Promise<Row[]> {
  const client = await KabutoClient.open(bench);
  const form = new FormData();
  form.append("files", new Blob(["hello"]), "hello.txt");
  const { url, headers } = bench;
  await fetch(`${url}/em/files/uplink`, { method: "POST", headers, body: form });
  const withJobs: number[] = [];
  const without: number[] = [];
  await list(bench, ROUNDS);
  for (let turn = 0; turn < TURNS; turn++) {
    without.push(...(await list(bench, ROUNDS)));
    const jobs = await Promise.all(Array.from({ length: JOBS }, () => client.run("sleep 3600")));
    for (const job of jobs) await client.running(job);
    withJobs.push(...(await list(bench, ROUNDS)));
    for (const job of jobs) await client.kill(job);
  }
  return [
    {
      what: `EM files/list while ${JOBS} jobs sleep, p50`,
      ours: `${median(withJobs).toFixed(2)} ms`,
      peer: `without jobs: ${median(without).toFixed(2)} ms`,
      ratio: median(withJobs) / median(without),
      goal: { below: 1.1 },
    },
  ];
}

async function list(bench: BenchStack, rounds: number): Promise<number[]> {
  const took: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const begin = performance.now();
    await bench.get("/em/files/list");
    took.push(performance.now() - begin);
  }
  return took;
}
