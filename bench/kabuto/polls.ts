import type { BenchStack } from "../bench-stack.ts";
import { scaled } from "../scale.ts";
import { startBareServer } from "../start-bare-server.ts";
import { median, type Row } from "../table.ts";
import { KabutoClient } from "./client.ts";

const ROUNDS = scaled(400);

/** A look at a job that has ended, against a bare Hono route with one read of SQLite, in turns. */
export async function measurePolls(bench: BenchStack): Promise<Row[]> {
  const client = await KabutoClient.open(bench);
  const job = await client.run("true");
  await client.done(job);
  const bare = await startBareServer(bench.scratch);
  const ours: number[] = [];
  const peer: number[] = [];
  try {
    for (let round = 0; round < ROUNDS; round++) {
      ours.push(await time(() => client.view(job)));
      peer.push(await time(async () => (await fetch(`${bare.url}/read`)).json()));
    }
  } finally {
    await bare.child.stop(2_000);
  }
  return [
    {
      what: "a look at a job, p50",
      ours: `${median(ours).toFixed(2)} ms`,
      peer: `Hono and one read of SQLite: ${median(peer).toFixed(2)} ms`,
      ratio: median(ours) / median(peer),
      goal: { below: 3 },
    },
  ];
}

async function time(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}
