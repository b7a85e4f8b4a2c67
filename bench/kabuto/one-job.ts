import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { MiB } from "#protocol/limits.ts";
import { BASE_IMAGE } from "../../scripts/ensure-base-image.ts";
import type { BenchStack } from "../bench-stack.ts";
import { program } from "../program.ts";
import { scaled } from "../scale.ts";
import { median, type Row } from "../table.ts";
import { KabutoClient } from "./client.ts";

const ROUNDS = scaled(9);
const SCRIPT = "cat /inbox/in > /outbox/out";

/**
 * One job with 1 MiB in and out, from its submission to the unpacked zip, against the same by hand: a container with two
 * directories, its run, a zip of what it left, a copy of that, unpacked.
 */
export async function measureOneJob(bench: BenchStack): Promise<Row[]> {
  const [docker, zip, unzip] = [program("docker"), program("zip"), program("unzip")];
  const client = await KabutoClient.open(bench);
  const input = randomBytes(1 * MiB);
  const ours: number[] = [];
  const peer: number[] = [];
  for (let round = 0; round < ROUNDS + 1; round++) {
    const dir = join(bench.scratch, `one-${round}`);
    for (const name of ["in", "out", "ours", "peer"]) mkdirSync(join(dir, name), { recursive: true });
    const job = await client.job(await client.pipeline(), SCRIPT, { in: input });
    const took = await time(async () => {
      await client.submit(job.pipeline);
      await client.done(job);
      await client.results(job, join(dir, "ours.zip"));
      execFileSync(unzip, ["-q", join(dir, "ours.zip"), "-d", join(dir, "ours")]);
    });
    writeFileSync(join(dir, "in/in"), input);
    const by = (...args: string[]) => execFileSync(docker, args, { encoding: "utf8" }).trim();
    const against = await time(async () => {
      const mounts = ["-v", `${dir}/in:/inbox:ro`, "-v", `${dir}/out:/outbox`];
      const id = by("create", "--network=none", ...mounts, BASE_IMAGE, "sh", "-c", SCRIPT);
      by("start", "-a", id);
      execFileSync(zip, ["-qr", join(dir, "peer.zip"), "."], { cwd: join(dir, "out") });
      copyFileSync(join(dir, "peer.zip"), join(dir, "copied.zip"));
      execFileSync(unzip, ["-q", join(dir, "copied.zip"), "-d", join(dir, "peer")]);
      by("rm", id);
    });
    execFileSync("cmp", [join(dir, "ours/out"), join(dir, "peer/out")]);
    rmSync(dir, { recursive: true });
    // the first warms both
    if (round > 0) {
      ours.push(took);
      peer.push(against);
    }
  }
  return [
    {
      what: "one job, 1 MiB in and out, p50",
      ours: `${median(ours).toFixed(0)} ms`,
      peer: `by hand: ${median(peer).toFixed(0)} ms`,
      ratio: median(ours) / median(peer),
      goal: { below: 1.5 },
    },
  ];
}

async function time(work: () => Promise<void>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}
