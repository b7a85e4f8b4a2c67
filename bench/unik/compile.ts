import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Compiler, TOOLCHAIN } from "#agent/compilers/compiler.ts";
import { dockerC } from "#agent/compilers/docker-c.ts";
import { dockerGo } from "#agent/compilers/docker-go.ts";
import { makeToolchainImages } from "../../scripts/toolchain-images.ts";
import type { BenchStack } from "../bench-stack.ts";
import { scaled } from "../scale.ts";
import type { Row } from "../table.ts";
import { time, UnikBench } from "./client.ts";
import { dockerSays } from "./docker-says.ts";
import { onUnikStack } from "./on-stack.ts";
import { inTurns } from "./turns.ts";

const ROUNDS = scaled(3);
const EXAMPLES = resolve(import.meta.dirname, "../../examples/unik");
const LANGUAGES = [
  { language: "go", file: "main.go", compiler: dockerGo },
  { language: "c", file: "main.c", compiler: dockerC },
] as const;

/** Sources that become an image, nothing of it built before, against `docker build` of the same context and Dockerfile. */
export function measureCompile(): Promise<Row[]> {
  let toolchains: Record<string, string> = {};
  return onUnikStack((bench) => measure(bench, toolchains), {
    async before(docker) {
      toolchains = { ...(await makeToolchainImages(docker)) } as Record<string, string>;
    },
    config(scratch) {
      const path = join(scratch, "agent.json");
      writeFileSync(path, JSON.stringify({ toolchains }));
      return path;
    },
  });
}

async function measure(bench: BenchStack, toolchains: Record<string, string>): Promise<Row[]> {
  const rows: Row[] = [];
  for (const { language, file, compiler } of LANGUAGES) {
    const toolchain = toolchains[language];
    if (toolchain === undefined) throw new Error(`this machine has no tools for ${language}`);
    const name = `docker-${language}-docker`;
    const unik = await UnikBench.open(bench, name);
    const source = readFileSync(join(EXAMPLES, language, file), "utf8");
    /** other bytes in each round, so that nothing is in a cache */
    const sources = (round: number, whose: string) => ({ [file]: `${source}\n// ${whose} ${round}\n` });
    const ours = async (round: number) => {
      const took = await time(() => unik.image(`built${round}`, name, sources(round, "ours")));
      await unik.remove(`images/built${round}`);
      return took;
    };
    const peer = (round: number) =>
      builtByHand(join(bench.scratch, "peer"), sources(round, "peer"), compiler, toolchain);
    const p50 = await inTurns(ROUNDS, ours, peer);
    rows.push({
      what: `${language}: sources to an image, p50`,
      ours: `${p50.ours.toFixed(0)} ms`,
      peer: `docker build of the same: ${p50.peer.toFixed(0)} ms`,
      ratio: p50.ratio,
      goal: { below: 1.2 },
    });
  }
  return rows;
}

async function builtByHand(
  context: string,
  files: Record<string, string>,
  compiler: Compiler,
  toolchain: string,
): Promise<number> {
  rmSync(context, { recursive: true, force: true });
  mkdirSync(context);
  for (const [name, content] of Object.entries(files)) writeFileSync(join(context, name), content);
  const dockerfile = compiler.dockerfile({
    ...{ manifest: { runtime_args: [], ports: [] }, names: Object.keys(files), args: [], mountPoints: [] },
    ...{ namesIn: () => [], read: () => undefined, isExecutable: () => false },
  });
  // beside the context, as it is no part of the sources
  const at = `${context}.Dockerfile`;
  writeFileSync(at, dockerfile.replace(TOOLCHAIN, toolchain.replace("sha256:", "")));
  const words = ["build", "-q", "--no-cache", "--network=none", "-f", at, context];
  let image = "";
  const took = await time(async () => {
    image = await dockerSays(words);
  });
  await dockerSays(["rmi", "-f", image]);
  return took;
}
