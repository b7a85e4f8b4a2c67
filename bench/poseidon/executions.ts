import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type Docker from "dockerode";
import { scaled } from "../scale.ts";
import { median, type Row } from "../table.ts";
import { PoseidonBench, time } from "./stack.ts";

const ROUNDS = scaled(100);
const WARM = 5;
const PAUSE_MS = 300;

/**
 * `true` on a warm runner, from the connect to its `exit`, against a terminal exec of the same command in the same
 * container by the engine's API, in turns.
 */
export async function measureExecutions(): Promise<Row[]> {
  const poseidon = await PoseidonBench.start();
  try {
    const { client } = poseidon;
    const id = await poseidon.pool(1);
    const runner = await poseidon.runner(id);
    const container = poseidon.containerOf(runner);
    await poseidon.idle(id, 1);
    const ours: number[] = [];
    const peer: number[] = [];
    for (let round = 0; round < ROUNDS + WARM; round++) {
      const url = await client.execute(runner, { command: "true" });
      const took = await time(async () => {
        const execution = client.connect(url);
        await execution.until(({ end }) => end?.type === "exit");
      });
      // each makes something ready afterwards, which is not to be in the other's way
      await sleep(PAUSE_MS);
      const against = await time(() => execByEngine(container));
      await sleep(PAUSE_MS);
      if (round < WARM) continue;
      ours.push(took);
      peer.push(against);
    }
    return [
      {
        what: "execution of `true` on a warm runner, connect to exit, p50",
        ours: `${median(ours).toFixed(1)} ms`,
        peer: `the engine's terminal exec: ${median(peer).toFixed(1)} ms`,
        ratio: median(ours) / median(peer),
        goal: { below: 1.3 },
      },
    ];
  } finally {
    await poseidon.stop();
  }
}

async function execByEngine(container: Docker.Container): Promise<void> {
  const exec = await container.exec({
    Cmd: ["/bin/bash", "-c", "true"],
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    Tty: true,
    User: "user",
  });
  const socket = (await exec.start({ hijack: true, stdin: true, Tty: true })) as Duplex;
  for await (const _ of socket);
  const { ExitCode } = await exec.inspect();
  if (ExitCode !== 0) throw new Error(`the engine's exec ended with ${ExitCode}`);
}
