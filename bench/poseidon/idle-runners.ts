import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { KiB, MiB } from "#protocol/limits.ts";
import { openLink } from "#test/live/support/link.ts";
import { scaled } from "../scale.ts";
import type { Row } from "../table.ts";
import { countEngineCalls } from "./engine-calls.ts";
import { PoseidonBench } from "./stack.ts";

const RUNNERS = scaled(50);
const MINUTES = scaled(3);
/** The kernel's ticks a second in /proc (USER_HZ). */
const TICKS = 100;

/** What runners that nobody uses cost the edge and its link, a minute, once nothing changes any more. */
export async function measureIdleRunners(): Promise<Row[]> {
  let link: Awaited<ReturnType<typeof openLink>> | undefined;
  let engine: Awaited<ReturnType<typeof countEngineCalls>> | undefined;
  const poseidon = await PoseidonBench.start({
    async through(url) {
      link = await openLink(url);
      return link.url;
    },
    async engine(host) {
      engine = await countEngineCalls(host, join(tmpdir(), `perigee-bench-${process.pid}.sock`));
      return engine.host;
    },
  });
  try {
    await poseidon.pool(RUNNERS);
    // the words that follow the last start
    await sleep(20_000);
    const { pid } = poseidon.bench.stack.agent;
    const before = { ticks: ticksOf(pid), calls: engine!.calls, ...link!.carried };
    await sleep(MINUTES * 60_000);
    const per = (now: number, then: number) => (now - then) / MINUTES;
    const cpuMs = per(ticksOf(pid), before.ticks) * (1000 / TICKS);
    const [up, down] = [per(link!.carried.up, before.up), per(link!.carried.down, before.down)];
    const memory = Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
    const what = `${RUNNERS} idle runners, a minute`;
    const told = (name: string, ours: string): Row => ({
      what: `${what}: ${name}`,
      ours,
      peer: "",
      ratio: 0,
    });
    return [
      {
        what: `${what}: bytes to the ground`,
        ours: `${(up / 1000).toFixed(1)} KB (${(down / 1000).toFixed(1)} KB back)`,
        peer: "20 KB",
        ratio: up / 20_000,
        goal: { below: 1 },
      },
      told("the agent's processor time", `${cpuMs.toFixed(0)} ms`),
      told("calls of the engine", per(engine!.calls, before.calls).toFixed(0)),
      told("the agent's memory", `${((memory * KiB) / MiB).toFixed(0)} MiB`),
    ];
  } finally {
    await poseidon.stop();
    link?.close();
    engine?.close();
  }
}

function ticksOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)!.split(" ");
  return Number(fields[11]) + Number(fields[12]);
}
