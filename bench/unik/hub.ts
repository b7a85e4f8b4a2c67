import { rmSync } from "node:fs";
import { join } from "node:path";
import { BASE_IMAGE } from "../../scripts/ensure-base-image.ts";
import type { BenchStack } from "../bench-stack.ts";
import { scaled } from "../scale.ts";
import type { Row } from "../table.ts";
import { time, UnikBench } from "./client.ts";
import { dockerSays } from "./docker-says.ts";
import { onUnikStack } from "./on-stack.ts";
import { inTurns } from "./turns.ts";

const SIZE_MB = scaled(256);
const ROUNDS = scaled(3);
const COMPILER = "docker-native-docker";
/** Content that nothing makes smaller. */
const dockerfile = (whose: string) => `FROM ${BASE_IMAGE}
LABEL test.bench=hub-${whose}
RUN head -c ${SIZE_MB}m /dev/urandom > /content
CMD ["true"]
`;

/** An image that goes to the hub and comes back from it, against `docker save` to disk and `docker load`. */
export function measureHub(): Promise<Row[]> {
  return onUnikStack(measure);
}

async function measure(bench: BenchStack): Promise<Row[]> {
  const unik = await UnikBench.open(bench, COMPILER);
  await unik.image("large", COMPILER, { Dockerfile: dockerfile("ours") });
  const name = "perigee-bench-hub:peer";
  await dockerSays(["build", "-q", "-t", name, "-"], dockerfile("peer"));
  const archive = join(bench.scratch, "saved.tar");
  const ours = async () => {
    const push = await time(() => unik.post("images/push/large", 202));
    await unik.remove("images/large");
    return push + (await time(() => unik.post("images/pull/large?provider=docker", 202)));
  };
  const peer = async () => {
    const save = await time(() => dockerSays(["save", "-o", archive, name]));
    await dockerSays(["rmi", name]);
    const load = await time(() => dockerSays(["load", "-q", "-i", archive]));
    rmSync(archive);
    return save + load;
  };
  const p50 = await inTurns(ROUNDS, ours, peer).finally(() => dockerSays(["rmi", "-f", name]));
  return [
    {
      what: `push and pull of an image of ${SIZE_MB} MiB, p50`,
      ours: `${p50.ours.toFixed(0)} ms`,
      peer: `docker save and load: ${p50.peer.toFixed(0)} ms`,
      ratio: p50.ratio,
      goal: { below: 1.6 },
    },
  ];
}
