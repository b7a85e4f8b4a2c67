import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { MiB } from "#protocol/limits.ts";
import { program } from "../program.ts";
import { watchMemory } from "../resident-memory.ts";
import { scaled } from "../scale.ts";
import { median, type Row } from "../table.ts";
import { PoseidonBench, time } from "./stack.ts";

const RAW = scaled(100);
const PATCHED = scaled(20);
const ROUNDS = 5;
const run = promisify(execFile);

/**
 * A large file read with `raw` and one written with PATCH, against `docker exec` with `cat` and with `tar`, through a
 * pipe, in turns. The memory is what both processes grow by meanwhile.
 */
export async function measureFiles(): Promise<Row[]> {
  const [docker, curl] = [program("docker"), program("curl")];
  const poseidon = await PoseidonBench.start();
  try {
    const { client, bench } = poseidon;
    const id = await poseidon.pool(1);
    const runner = await poseidon.runner(id);
    const { id: container } = poseidon.containerOf(runner);
    await poseidon.idle(id, 1);
    const dir = join(bench.scratch, "patched");
    mkdirSync(dir);
    writeFileSync(join(dir, "patched.bin"), randomBytes(PATCHED * MiB));
    const body = JSON.stringify({
      copy: [{ path: "/tmp/ours.bin", content: randomBytes(PATCHED * MiB).toString("base64") }],
    });
    await client.run(runner, `head -c ${RAW}M /dev/urandom > /tmp/raw.bin`);
    const sh = async (line: string) => void (await run("/bin/sh", ["-c", line]));
    const read = () => sh(`${curl} -sSf -o /dev/null '${client.url}${runner}/files/raw?path=/tmp/raw.bin'`);
    const write = async () => {
      const { status, text } = await client.body("PATCH", `${runner}/files`, body);
      if (status !== 204) throw new Error(`patch: ${status} ${text}`);
    };
    const { raw, patch } = {
      raw: await against(read, () => sh(`${docker} exec ${container} cat /tmp/raw.bin | cat > /dev/null`)),
      patch: await against(write, () =>
        sh(`tar c -C ${dir} patched.bin | ${docker} exec -i -u 0 ${container} tar x -C /tmp`),
      ),
    };
    const memory = { ground: watchMemory(bench.stack.ground.pid), agent: watchMemory(bench.stack.agent.pid) };
    await read();
    const grown = { ground: memory.ground(), agent: memory.agent() };
    const speed = (mib: number, ms: number) => `${((mib / ms) * 1000).toFixed(1)} MiB/s`;
    const row = (what: string, mib: number, { ours, peer, by }: Took & { by: string }): Row => ({
      what: `${mib} MiB with ${what}`,
      ours: speed(mib, ours),
      peer: `docker exec ${by} through a pipe: ${speed(mib, peer)}`,
      ratio: peer / ours,
      goal: { atLeast: 0.7 },
    });
    const growth = (what: string, bytes: number): Row => ({
      what: `${what}'s memory during raw`,
      ours: `+${(bytes / MiB).toFixed(0)} MiB`,
      peer: "32 MiB",
      ratio: bytes / (32 * MiB),
      goal: { below: 1 },
    });
    return [
      row("raw", RAW, { ...raw, by: "cat" }),
      row("PATCH", PATCHED, { ...patch, by: "tar" }),
      growth("ground", grown.ground),
      growth("agent", grown.agent),
    ];
  } finally {
    await poseidon.stop();
  }
}

type Took = { ours: number; peer: number };

async function against(ours: () => Promise<void>, peer: () => Promise<void>): Promise<Took> {
  const took: number[] = [];
  const by: number[] = [];
  for (let round = 0; round < ROUNDS + 1; round++) {
    const [one, other] = [await time(ours), await time(peer)];
    // the first warms both
    if (round === 0) continue;
    took.push(one);
    by.push(other);
  }
  return { ours: median(took), peer: median(by) };
}
