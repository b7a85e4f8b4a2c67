import { execFileSync } from "node:child_process";
import { BASE_IMAGE } from "../../scripts/ensure-base-image.ts";
import type { BenchStack } from "../bench-stack.ts";
import { program } from "../program.ts";
import { scaled } from "../scale.ts";
import type { Row } from "../table.ts";
import { time, UnikBench } from "./client.ts";
import { onUnikStack } from "./on-stack.ts";
import { inTurns } from "./turns.ts";

const ROUNDS = scaled(9);
const COMPILER = "docker-native-docker";
const LABEL = "test.bench";
/** Ends at once when asked to. */
const DOCKERFILE = `FROM ${BASE_IMAGE}
LABEL ${LABEL}=start
ENTRYPOINT ["/bin/sh", "-c", "trap 'exit 0' TERM; sleep 600 & wait"]
`;

/** Time from the start of a stopped instance until it is reported as running, against `docker run -d` of the same image. */
export function measureStartStopped(): Promise<Row[]> {
  return onUnikStack(measure);
}

async function measure(bench: BenchStack): Promise<Row[]> {
  const docker = program("docker");
  const unik = await UnikBench.open(bench, COMPILER);
  await unik.image("server", COMPILER, { Dockerfile: DOCKERFILE });
  const filters = JSON.stringify({ label: [`${LABEL}=start`] });
  const [image] = await bench.docker.listImages({ filters });
  const id = await unik.run("server");
  const ours = async () => {
    await unik.post(`instances/${id}/stop`);
    return time(async () => {
      await unik.post(`instances/${id}/start`);
      const { State } = (await unik.get(`instances/${id}`)).json;
      if (State !== "running") throw new Error(`the instance is ${State}`);
    });
  };
  const peer = async () => {
    let container = "";
    const took = await time(async () => {
      container = execFileSync(docker, ["run", "-d", image!.Id], { encoding: "utf8" }).trim();
    });
    execFileSync(docker, ["rm", "-f", container], { stdio: "ignore" });
    return took;
  };
  const p50 = await inTurns(ROUNDS, ours, peer);
  return [
    {
      what: "start of a stopped instance until running, p50",
      ours: `${p50.ours.toFixed(0)} ms`,
      peer: `docker run -d: ${p50.peer.toFixed(0)} ms`,
      ratio: p50.ratio,
      goal: { below: 1.3 },
    },
  ];
}
