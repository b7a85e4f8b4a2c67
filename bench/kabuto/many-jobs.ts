import { spawn } from "node:child_process";
import { once } from "node:events";
import { BASE_IMAGE } from "../../scripts/ensure-base-image.ts";
import type { BenchStack } from "../bench-stack.ts";
import { program } from "../program.ts";
import { scaled } from "../scale.ts";
import { median, type Row } from "../table.ts";
import { KabutoClient } from "./client.ts";
import { submitMany } from "./submit-many.ts";

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
    ours.push(await submitMany(client, { pipelines: PIPELINES, jobs: JOBS }));

    const numbers = Array.from({ length: PIPELINES * JOBS }, (_, n) => n);
    const began = performance.now();
    // Not synchronously: connections that the ground closes meanwhile have to be noticed.
    const run = ["-P4", "-n1", docker, "run", "--rm", "--network=none", BASE_IMAGE, "true"];
    const xargs = spawn("xargs", run, { stdio: ["pipe", "ignore", "inherit"] });
    xargs.stdin.end(numbers.join("\n"));
    const [code] = await once(xargs, "close");
    if (code !== 0) throw new Error(`xargs ended with ${code}`);
    peer.push((numbers.length / (performance.now() - began)) * 1000);
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
