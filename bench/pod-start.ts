import { execFileSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { findProgram } from "../scripts/debian-packages.ts";
import { BASE_IMAGE } from "../scripts/ensure-base-image.ts";
import { type BenchStack, podState } from "./bench-stack.ts";
import { median, type Row } from "./table.ts";

const ROUNDS = 9;
const POLL_MS = 20;
/** Ends at once when asked to, so that nobody waits for its grace. */
const COMMAND = "trap 'exit 0' TERM; sleep 600 & wait";

/** `pod/run` until the status says `running`, against `docker run -d` of the same image and command. */
export async function measurePodStart(bench: BenchStack): Promise<Row[]> {
  const docker = findProgram("docker");
  const ours: number[] = [];
  const peer: number[] = [];
  for (let round = 0; round < ROUNDS + 1; round++) {
    const took = await runPod(bench, `start-${round}`);
    const against = docker ? runWithClient(docker) : await runWithEngine(bench);
    // the first makes the user's network and warms both
    if (round > 0) {
      ours.push(took);
      peer.push(against);
    }
  }
  return [
    {
      what: "pod/run until running",
      ours: `${median(ours).toFixed(0)} ms`,
      peer: `${docker ? "docker run -d" : "engine create + start"}: ${median(peer).toFixed(0)} ms`,
      ratio: median(ours) / median(peer),
      goal: { below: 1.1 },
    },
  ];
}

async function runPod(bench: BenchStack, pod: string): Promise<number> {
  const begin = performance.now();
  await bench.post("/em/pod/run", {
    image: BASE_IMAGE,
    node: "MPU",
    max_duration: "10",
    command: COMMAND,
    pod_name: pod,
  });
  for (;;) {
    const state = await podState(bench, pod);
    if (state.terminated) throw new Error(`the pod ended: ${JSON.stringify(state)}`);
    if (state.running) break;
    // As a client would: asking without a pause takes the processor from the engine
    await sleep(POLL_MS);
  }
  const took = performance.now() - begin;
  await bench.post("/em/pod/stop", { pod_name: pod });
  return took;
}

function runWithClient(docker: string): number {
  const begin = performance.now();
  const id = execFileSync(docker, ["run", "-d", BASE_IMAGE, "/bin/sh", "-c", COMMAND], {
    encoding: "utf8",
  }).trim();
  const took = performance.now() - begin;
  execFileSync(docker, ["rm", "-f", id], { stdio: "ignore" });
  return took;
}

async function runWithEngine({ docker }: BenchStack): Promise<number> {
  const begin = performance.now();
  const container = await docker.createContainer({ Image: BASE_IMAGE, Cmd: ["/bin/sh", "-c", COMMAND] });
  await container.start();
  const took = performance.now() - begin;
  await container.remove({ force: true });
  return took;
}
