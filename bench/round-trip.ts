import type { BenchStack } from "./bench-stack.ts";
import { fillSmallVolume, listSmallVolume } from "./small-volume.ts";
import { startBareServer } from "./start-bare-server.ts";
import { percentile, type Row } from "./table.ts";

/** Until the compilers of all three processes are done: it is the life of a server that is measured. */
export const WARM_UP = 500;
export const BLOCKS = 10;
export const PER_BLOCK = 30;

/**
 * Round trip of `GET /em/files/list` on a small volume, from HTTP through lock and doorbell to the agent and
 * back, against a bare Hono route with one SQLite commit (synchronous=FULL) on the same kind of server.
 */
export async function measureRoundTrip(bench: BenchStack): Promise<Row[]> {
  await fillSmallVolume(bench);
  const bare = await startBareServer(bench.scratch);
  try {
    const list = () => listSmallVolume(bench);
    const commit = async () => (await fetch(`${bare.url}/commit`)).json();
    const ours: number[] = [];
    const peer: number[] = [];
    for (let i = 0; i < WARM_UP; i++) await Promise.all([await list(), await commit()]);
    // In turns, so that whatever else the machine does falls on both
    for (let block = 0; block < BLOCKS; block++) {
      for (let i = 0; i < PER_BLOCK; i++) ours.push(await time(list));
      for (let i = 0; i < PER_BLOCK; i++) peer.push(await time(commit));
    }
    const row = (name: string, p: number, goal?: Row["goal"]): Row => ({
      what: `files/list, small volume, ${name}`,
      ours: `${percentile(ours, p).toFixed(2)} ms`,
      peer: `Hono + 1 commit: ${percentile(peer, p).toFixed(2)} ms`,
      ratio: percentile(ours, p) / percentile(peer, p),
      ...(goal && { goal }),
    });
    // p99 has no goal of its own
    return [row("p50", 0.5, { below: 4.5 }), row("p99", 0.99)];
  } finally {
    await bare.child.stop(2_000);
  }
}

export async function time(run: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await run();
  return performance.now() - begin;
}
