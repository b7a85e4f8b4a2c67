import type { Duplex } from "node:stream";
import type Docker from "dockerode";
import { median, type Row } from "../table.ts";
import { PoseidonBench } from "./stack.ts";
import { timeExecutions } from "./time-executions.ts";

/**
 * `true` on a warm runner, from the connect to its `exit`, against a terminal exec of the same command in the same
 * container by the engine's API, in turns.
 */
export async function measureExecutions(): Promise<Row[]> {
  const poseidon = await PoseidonBench.start();
  try {
    const id = await poseidon.pool(1);
    const runner = await poseidon.runner(id);
    const container = poseidon.containerOf(runner);
    await poseidon.idle(id, 1);
    const { ours, peer } = await timeExecutions(poseidon, runner, () => execByEngine(container));
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
