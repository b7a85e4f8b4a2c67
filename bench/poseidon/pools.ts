import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { RUNNER_IMAGE } from "../../scripts/runner-image.ts";
import { program } from "../program.ts";
import { scaled } from "../scale.ts";
import { median, type Row } from "../table.ts";
import { PoseidonBench, time } from "./stack.ts";

const SIZE = scaled(20);
const ROUNDS = 3;
const REFILLS = scaled(9);
const AT_ONCE = 3;
const run = promisify(execFile);

/**
 * A pool from its PUT until all of it can be handed out, against as many `docker run -d`, three at a time, each followed
 * by one `docker exec … true`, in turns; and how long a pool lacks the runner that was handed out.
 */
export async function measurePools(): Promise<Row[]> {
  const docker = program("docker");
  const poseidon = await PoseidonBench.start();
  try {
    const ours: number[] = [];
    const peer: number[] = [];
    for (let round = 0; round < ROUNDS + 1; round++) {
      let id = 0;
      const took = await time(async () => {
        id = await poseidon.pool(SIZE);
      });
      await poseidon.removed(id);
      const against = await time(() => runByHand(docker, round));
      await removeByHand(docker);
      // the first warms both
      if (round === 0) continue;
      ours.push(took);
      peer.push(against);
    }
    const id = await poseidon.pool(2);
    const refills: number[] = [];
    for (let round = 0; round < REFILLS; round++) {
      await poseidon.runner(id);
      refills.push(
        await time(async () => {
          await poseidon.idle(id, 1);
          await poseidon.idle(id, 2);
        }),
      );
    }
    return [
      {
        what: `a pool of ${SIZE}, from PUT until all can be handed out`,
        ours: `${(median(ours) / 1000).toFixed(1)} s`,
        peer: `docker run -d, docker exec, three at a time: ${(median(peer) / 1000).toFixed(1)} s`,
        ratio: median(ours) / median(peer),
        goal: { below: 1.25 },
      },
      {
        what: "refill after a hand-out, p50",
        ours: `${median(refills).toFixed(0)} ms`,
        peer: "1 s",
        ratio: median(refills) / 1000,
        goal: { below: 1 },
      },
    ];
  } finally {
    await removeByHand(docker);
    await poseidon.stop();
  }
}

const PREFIX = `perigee-bench-${process.pid}`;

async function runByHand(docker: string, round: number): Promise<void> {
  let left = SIZE;
  const one = async () => {
    for (let n = left--; n > 0; n = left--) {
      const name = `${PREFIX}-${round}-${n}`;
      await run(docker, [
        ...["run", "-d", "--name", name, "--network", "none", "--label", PREFIX],
        ...[RUNNER_IMAGE, "/bin/bash", "-c", "while :; do sleep 3600; done"],
      ]);
      await run(docker, ["exec", name, "true"]);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
}

async function removeByHand(docker: string): Promise<void> {
  const { stdout } = await run(docker, ["ps", "-aq", "--filter", `label=${PREFIX}`]);
  const ids = stdout.split("\n").filter((id) => id !== "");
  if (ids.length > 0) await run(docker, ["rm", "-f", ...ids]);
}
