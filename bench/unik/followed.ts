import { spawn } from "node:child_process";
import { LABEL } from "#agent/pods/labels.ts";
import { BASE_IMAGE } from "../../scripts/ensure-base-image.ts";
import type { BenchStack } from "../bench-stack.ts";
import { program } from "../program.ts";
import { scaled } from "../scale.ts";
import { median, type Row } from "../table.ts";
import { UnikBench } from "./client.ts";
import { onUnikStack } from "./on-stack.ts";

const SECONDS = scaled(20);
const LINE_BYTES = 1000;
const LINES = SECONDS * 1000;
const AT_ONCE = 50;
const COMPILER = "docker-native-docker";
const GOAL_MS = 300;
/** Waits until both follow; then the lines have numbers. */
const SCRIPT = [
  "sleep 3; n=0",
  `x=$(head -c ${LINE_BYTES - 10} /dev/zero | tr '\\0' x)`,
  `while [ $n -lt ${LINES} ]; do m=0; while [ $m -lt ${AT_ONCE} ]; do echo "line $n $x"; n=$((n+1)); m=$((m+1)); done; sleep 0.04; done`,
].join("; ");
const DOCKERFILE = `FROM ${BASE_IMAGE}\nENTRYPOINT ["/bin/sh", "-c", ${JSON.stringify(SCRIPT)}]\n`;

/** About 1 MB of log lines a second, followed over the API and by `docker logs -f` at once: how much later a line comes. */
export function measureFollowed(): Promise<Row[]> {
  return onUnikStack(measure);
}

async function measure(bench: BenchStack): Promise<Row[]> {
  const unik = await UnikBench.open(bench, COMPILER);
  await unik.image("says", COMPILER, { Dockerfile: DOCKERFILE });
  const id = await unik.run("says");
  const filters = JSON.stringify({ label: [`${LABEL.pod}=i${id.toLowerCase()}`] });
  const [container] = await bench.docker.listContainers({ filters });
  const logs = spawn(program("docker"), ["logs", "-f", container!.Id], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [ours, peer] = await Promise.all([
    arrivals(unik.follow(id)),
    arrivals(logs.stdout.setEncoding("utf8") as AsyncIterable<string>),
  ]);
  const later = [...peer].flatMap(([line, at]) => (ours.has(line) ? [ours.get(line)! - at] : []));
  const p50 = median(later);
  const lost = LINES - ours.size;
  return [
    {
      what: `${LINES} lines in ${SECONDS} s followed: lost`,
      ours: `${lost}`,
      peer: `docker logs -f: ${LINES - peer.size}`,
      ratio: lost,
      goal: { atMost: 0 },
    },
    {
      what: "a followed line comes later, p50",
      ours: `${p50.toFixed(0)} ms`,
      peer: `limit ${GOAL_MS} ms after docker logs -f`,
      ratio: p50 / GOAL_MS,
      goal: { below: 1 },
    },
  ];
}

/** When each line came, by its number. */
async function arrivals(pieces: AsyncIterable<string>): Promise<Map<number, number>> {
  const came = new Map<number, number>();
  let rest = "";
  for await (const piece of pieces) {
    const at = performance.now();
    const lines = (rest + piece).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const [, number] = /line (\d+) /.exec(line) ?? [];
      if (number !== undefined) came.set(Number(number), at);
    }
  }
  return came;
}
