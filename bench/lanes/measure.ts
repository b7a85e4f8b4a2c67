import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startAgent } from "#test/faults/support/in-process-agent.ts";
import { Child } from "../../scripts/child.ts";
import { median, type Row } from "../table.ts";
import { WIDTHS } from "./dialect.ts";

const COMMANDS = 64;
const WORK_MS = 200;
const ROUNDS = 5;
const IDEAL_MS = (COMMANDS / WIDTHS.wide) * WORK_MS;

/**
 * Independent commands through a lane of width 8, from the first request until the last answer, against the time that
 * the work alone takes there, and against a lane of width 1: a ground process, the agent's loop, HTTP between them.
 */
export async function measureLanes(): Promise<Row[]> {
  const scratch = mkdtempSync(join(tmpdir(), "perigee-bench-lanes-"));
  const env = { ...process.env, BENCH_DATA: join(scratch, "ground") };
  const ground = await Child.start("ground", [join(import.meta.dirname, "ground.ts")], env, (line) => {
    if (!line.includes('"ready"')) console.error(line);
  });
  try {
    const { url, token } = (await ground.ready) as { url: string; token: string };
    const work = async () => {
      await sleep(WORK_MS);
      return {};
    };
    const handlers = { "volume.delete": work };
    const agent = await startAgent({ url, token, state: join(scratch, "agent"), handlers });
    try {
      // Makes the connections, and has the code compiled
      await through(url, "wide");
      const wide: number[] = [];
      for (let round = 0; round < ROUNDS; round++) wide.push(await through(url, "wide"));
      const narrow = await through(url, "narrow");
      return rowsOf(median(wide), narrow);
    } finally {
      await agent.stop();
    }
  } finally {
    await ground.stop(2_000);
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** ms until all commands have been answered. */
async function through(url: string, lane: keyof typeof WIDTHS): Promise<number> {
  const begin = performance.now();
  const one = async (_: unknown, n: number) => {
    const response = await fetch(`${url}/bench/${lane}/v${n}`, { method: "POST" });
    const text = await response.text();
    if (!text.includes("succeeded")) throw new Error(`a command answered ${response.status}: ${text}`);
  };
  await Promise.all(Array.from({ length: COMMANDS }, one));
  return performance.now() - begin;
}

function rowsOf(wide: number, narrow: number): Row[] {
  const what = `${COMMANDS} commands of ${WORK_MS} ms, lane of width ${WIDTHS.wide}`;
  const ours = `${wide.toFixed(0)} ms`;
  return [
    { what, ours, peer: `the work alone: ${IDEAL_MS} ms`, ratio: wide / IDEAL_MS, goal: { below: 1.15 } },
    { what, ours, peer: `lane of width ${WIDTHS.narrow}: ${narrow.toFixed(0)} ms`, ratio: wide / narrow },
  ];
}
