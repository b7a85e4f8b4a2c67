import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { BASE_IMAGE } from "../../scripts/ensure-base-image.ts";
import type { BenchStack } from "../bench-stack.ts";
import { program } from "../program.ts";
import { scaled } from "../scale.ts";
import { median, type Row } from "../table.ts";
import { KabutoClient } from "./client.ts";

const LINES = scaled(100_000);
const PAGE = 100;
const ROUNDS = 21;
const TOLD = scaled(20);
/** A line a second, with the time since the machine's start at which it was written: seconds, to hundredths. */
const TELL = `i=0; while [ $i -lt ${TOLD} ]; do cut -d" " -f1 /proc/uptime; sleep 1; i=$((i+1)); done`;

/**
 * The newest 100 rows of a log of 10 MiB against the oldest 100, by the cursors of a client that has read it all; and the
 * way of a line from the container to a row, against `docker logs -f`.
 */
export async function measureLogs(bench: BenchStack): Promise<Row[]> {
  const client = await KabutoClient.open(bench);
  const job = await client.run(`i=0; seq ${LINES} | sed "s/$/ $(printf %090d 0)/"`);
  await client.done(job);
  const ids: number[] = [];
  for (let after = 0; ; after = ids.at(-1)!) {
    const rows = await client.rows(job, after, 10_000);
    if (rows.length === 0) break;
    ids.push(...rows.map(({ id }) => id));
  }
  const newestAfter = ids.at(-PAGE - 1) ?? 0;
  const newest: number[] = [];
  const oldest: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    newest.push(await time(() => client.rows(job, newestAfter, PAGE)));
    oldest.push(await time(() => client.rows(job, 0, PAGE)));
  }
  const ways = await lineWays(client);
  // the kernel's clock has hundredths
  const direct = Math.max(10, median(await dockerWays(program("docker"))));
  return [
    {
      what: `newest ${PAGE} rows of a log of ${LINES} lines, p50`,
      ours: `${median(newest).toFixed(1)} ms`,
      peer: `oldest ${PAGE}: ${median(oldest).toFixed(1)} ms`,
      ratio: median(newest) / median(oldest),
      goal: { below: 2 },
    },
    {
      what: "a line's way from container to row, p50",
      ours: `${median(ways).toFixed(0)} ms`,
      peer: `docker logs -f: ${direct.toFixed(0)} ms`,
      ratio: median(ways) / direct,
    },
  ];
}

/** ms from when a line was written, as it says itself, to when a client that waits has its row. */
async function lineWays(client: KabutoClient): Promise<number[]> {
  const job = await client.run(TELL);
  const ways: number[] = [];
  for (let after = 0; ways.length < TOLD; ) {
    const rows = await client.rows(job, after, 100, 25);
    const now = uptimeMs();
    for (const { id, logline } of rows) {
      ways.push(now - Number(logline) * 1000);
      after = id;
    }
    if (rows.length === 0 && ["done", "failed"].includes((await client.view(job)).state)) break;
  }
  await client.done(job);
  return ways;
}

async function dockerWays(docker: string): Promise<number[]> {
  const run = spawn(docker, ["run", "--rm", "--network=none", BASE_IMAGE, "sh", "-c", TELL]);
  const ways: number[] = [];
  for await (const line of createInterface({ input: run.stdout }))
    ways.push(uptimeMs() - Number(line) * 1000);
  return ways;
}

const uptimeMs = () => Number(readFileSync("/proc/uptime", "utf8").split(" ", 1)[0]) * 1000;

async function time(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}
