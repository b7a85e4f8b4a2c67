import { execFileSync } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { MiB } from "#protocol/limits.ts";
import { BASE_IMAGE } from "../../scripts/ensure-base-image.ts";
import type { BenchStack } from "../bench-stack.ts";
import { program } from "../program.ts";
import { watchMemory } from "../resident-memory.ts";
import { scaled } from "../scale.ts";
import type { Row } from "../table.ts";
import { UnikBench } from "./client.ts";
import { onUnikStack } from "./on-stack.ts";

const SIZE_MB = scaled(1024);
const WARM_MB = scaled(64);
const GOAL_MB = 64;

/** How far the resident memory of ground and agent grows while 1 GiB of sources is sent and made an image of. */
export function measureSources(): Promise<Row[]> {
  return onUnikStack(measure);
}

async function measure(bench: BenchStack): Promise<Row[]> {
  await UnikBench.open(bench, "docker-native-docker");
  create(bench, "warm", WARM_MB);
  const { ground, agent } = bench.stack;
  const peaks = { ground: watchMemory(ground.pid), agent: watchMemory(agent.pid) };
  create(bench, "big", SIZE_MB);
  return (["ground", "agent"] as const).map((name) => {
    const grown = peaks[name]() / MiB;
    return {
      what: `${SIZE_MB} MiB of sources: growth of the ${name}`,
      ours: `${grown.toFixed(1)} MiB`,
      peer: `limit ${GOAL_MB} MiB`,
      ratio: grown / GOAL_MB,
      goal: { below: 1 },
    };
  });
}

/** Makes an image of sources of which so many MiB do not get into it. */
function create({ url, headers, scratch }: BenchStack, name: string, megabytes: number): void {
  const sources = join(scratch, name);
  mkdirSync(sources);
  writeFileSync(join(sources, "Dockerfile"), `FROM ${BASE_IMAGE}\nLABEL test.bench=${name}\n`);
  const piece = randomFillSync(Buffer.alloc(1 * MiB));
  for (let n = 0; n < megabytes; n++) appendFileSync(join(sources, "data"), piece);
  const archive = join(scratch, `${name}.tar`);
  execFileSync("tar", ["-cf", archive, "-C", sources, "."]);
  const query = "provider=docker&base=docker&lang=native";
  execFileSync(program("curl"), [
    ...["-sS", "--fail", "-o", "/dev/null", "-H", `authorization: ${headers.authorization}`],
    ...["-F", `tarfile=@${archive}`, `${url}/unik/images/${name}/create?${query}`],
  ]);
}
