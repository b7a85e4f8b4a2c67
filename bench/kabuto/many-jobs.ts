import { spawn } from "node:child_process";
import { once } from "node:events";
import { BASE_IMAGE } from "../../scripts/ensure-base-image.ts";
import type { BenchStack } from "../bench-stack.ts";
import { program } from "../program.ts";
import { scaled } from "../scale.ts";
import { median, type Row } from "../table.ts";
import { type Job, KabutoClient } from "./client.ts";

/** As many at least as run at once. */
const PIPELINES = Math.max(4, scaled(16));
const JOBS = 4;
const ROUNDS = scaled(3);

/** Short jobs in pipelines, four at once, against as many containers by `xargs -P4 docker run --rm`. */
export async function measureManyJobs(bench: BenchStack): Promise<Row[]> {
  const docker = program("docker");
  const client = await KabutoClient.open(bench);
  const ours: number[] = [];
  const peer: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const jobs: Job[] = [];
    const last: Job[] = [];
    for (let n = 0; n < PIPELINES; n++) {
      const pipeline = await client.pipeline();
      for (let i = 0; i < JOBS; i++) jobs.push(await client.job(pipeline, "true"));
      last.push(jobs.at(-1)!);
    }
    const begin = performance.now();
    await Promise.all(last.map(({ pipeline }) => client.submit(pipeline)));
    await Promise.all(last.map((job) => client.done(job)));
    ours.push((jobs.length / (performance.now() - begin)) * 1000);
    for (const job of jobs) await client.done(job);

    const numbers = jobs.map((_, n) => n).join("\n");
    const began = performance.now();
    // Not synchronously: connections that the ground closes meanwhile have to be noticed.
    const run = ["-P4", "-n1", docker, "run", "--rm", "--network=none", BASE_IMAGE, "true"];
    const xargs = spawn("xargs", run, { stdio: ["pipe", "ignore", "inherit"] });
    xargs.stdin.end(numbers);
    const [code] = await once(xargs, "close");
    if (code !== 0) throw new Error(`xargs ended with ${code}`);
    peer.push((jobs.length / (performance.now() - began)) * 1000);
  }
  return [
    {
      what: `${PIPELINES * JOBS} short jobs in ${PIPELINES} pipelines, four at once`,
      ours: `${median(ours).toFixed(2)}/s`,
      peer: `xargs -P4 docker run --rm: ${median(peer).toFixed(2)}/s`,
      ratio: median(ours) / median(peer),
      goal: { atLeast: 0.85 },
    },
  ];
}
