import { execFileSync } from "node:child_process";
import { MiB } from "#protocol/limits.ts";
import { BASE_IMAGE } from "../../scripts/ensure-base-image.ts";
import type { BenchStack } from "../bench-stack.ts";
import { program } from "../program.ts";
import { scaled } from "../scale.ts";
import type { Row } from "../table.ts";
import { time, UnikBench } from "./client.ts";
import { onUnikStack } from "./on-stack.ts";
import { inTurns } from "./turns.ts";

const SIZE_MB = scaled(256);
const ROUNDS = scaled(5);
const PORT = 8080;
const COMPILER = "docker-native-docker";
const LABEL = "test.bench";
const DOCKERFILE = `FROM ${BASE_IMAGE}
LABEL ${LABEL}=forwarded
RUN mkdir /www && head -c ${SIZE_MB}m /dev/zero > /www/content
CMD ["/bin/busybox", "httpd", "-f", "-p", "${PORT}", "-h", "/www"]
`;

/** Content from an instance by its address, against a port of the same image that the engine publishes. */
export function measureForwarded(): Promise<Row[]> {
  return onUnikStack(measure);
}

async function measure(bench: BenchStack): Promise<Row[]> {
  const docker = program("docker");
  const unik = await UnikBench.open(bench, COMPILER);
  await unik.image("www", COMPILER, { Dockerfile: DOCKERFILE });
  const filters = JSON.stringify({ label: [`${LABEL}=forwarded`] });
  const [image] = await bench.docker.listImages({ filters });
  const address = await unik.addressOf(await unik.run("www"));
  const words = ["run", "-d", "-p", `127.0.0.1::${PORT}`, image!.Id];
  const container = execFileSync(docker, words, { encoding: "utf8" }).trim();
  try {
    const published = execFileSync(docker, ["port", container, `${PORT}/tcp`], { encoding: "utf8" }).trim();
    const p50 = await inTurns(
      ROUNDS,
      () => fetched(`${address}:${PORT}`),
      () => fetched(published),
    );
    const rate = (ms: number) => `${((SIZE_MB * 1000) / ms).toFixed(0)} MiB/s`;
    return [
      {
        what: `${SIZE_MB} MiB from an instance by its address, p50`,
        ours: rate(p50.ours),
        peer: `a published port: ${rate(p50.peer)}`,
        ratio: 1 / p50.ratio,
        goal: { atLeast: 0.7 },
      },
    ];
  } finally {
    execFileSync(docker, ["rm", "-f", container], { stdio: "ignore" });
  }
}

function fetched(at: string): Promise<number> {
  const words = [
    "-sS",
    "--fail",
    "--retry",
    "20",
    "--retry-connrefused",
    "-o",
    "/dev/null",
    "-w",
    "%{size_download}",
  ];
  return time(async () => {
    const size = execFileSync(program("curl"), [...words, `http://${at}/content`], { encoding: "utf8" });
    if (Number(size) !== SIZE_MB * MiB) throw new Error(`${size} bytes came`);
  });
}
