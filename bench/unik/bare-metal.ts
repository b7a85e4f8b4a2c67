import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { commandLine } from "#agent/pods/qemu/command-line.ts";
import { OWN } from "#agent/pods/qemu/own.ts";
import { START_ADDRESS, startBlock } from "#agent/pods/qemu/start-block.ts";
import { MiB } from "#protocol/limits.ts";
import { MACHINES } from "#protocol/machines.ts";
import { filesBeneath } from "#test/support/files-beneath.ts";
import { ensureVmImages } from "../../scripts/ensure-vm-images.ts";
import type { BenchStack } from "../bench-stack.ts";
import { program } from "../program.ts";
import { scaled } from "../scale.ts";
import type { Row } from "../table.ts";
import { time, UnikBench } from "./client.ts";
import { onUnikStack } from "./on-stack.ts";
import { inTurns } from "./turns.ts";

const ROUNDS = scaled(9);
const COMPILER = "baremetal-c-qemu";
const LINE = "hello from c";
const SOURCE = resolve(import.meta.dirname, "../../examples/unik/c/main.c");

/**
 * A program without an operating system, from the request that runs it to the last line of its log, against `docker run`
 * of the same image for machines with the same emulator's command line.
 */
export function measureBareMetal(): Promise<Row[]> {
  let image = "";
  return onUnikStack((bench) => measure(bench, image), {
    async before(docker) {
      image = (await ensureVmImages(docker, (line) => console.error(line))).run;
    },
  });
}

async function measure(bench: BenchStack, image: string): Promise<Row[]> {
  const unik = await UnikBench.open(bench, COMPILER);
  await unik.image("bare", COMPILER, { "main.c": readFileSync(SOURCE, "utf8") });
  const ours = async () => {
    let id = "";
    const took = await time(async () => {
      id = await unik.run("bare");
      await unik.said(id, LINE);
    });
    await unik.remove(`instances/${id}`);
    return took;
  };
  const peer = async () => {
    const by = peerOf(bench, image);
    let line = "";
    const took = await time(async () => {
      line = execFileSync(program("docker"), by, { encoding: "utf8" });
    });
    if (!line.includes(LINE)) throw new Error(`not the same: ${line}`);
    return took;
  };
  // the first takes the program out of its image
  const p50 = await inTurns(ROUNDS, ours, peer);
  return [
    {
      what: "baremetal: run to the last line read, p50",
      ours: `${p50.ours.toFixed(0)} ms`,
      peer: `docker run of the same: ${p50.peer.toFixed(0)} ms`,
      ratio: p50.ratio,
      goal: { below: 1.4 },
    },
  ];
}

/** What a run of the same machine by hand says to docker. */
function peerOf({ scratch }: BenchStack, image: string): string[] {
  const elf = filesBeneath(join(scratch, "data/agent")).find((path) => path.endsWith("/app.elf"));
  if (!elf) throw new Error("the edge has not taken the program out of its image");
  const memoryMb = MACHINES.baremetal.usualMb;
  const start = join(scratch, "start");
  writeFileSync(start, startBlock(["program"], {}, memoryMb * MiB));
  const machine = commandLine({
    ...{ kind: "baremetal", program: "/usr/bin/qemu-system-aarch64", memoryMb, elf: "/machine/app.elf" },
    start: { file: "/machine/start", address: START_ADDRESS },
  });
  return [
    ...["run", "--rm", "--network=none", "--read-only", "--cap-drop=ALL", "--user=65534:65534"],
    ...["-v", `${elf}:/machine/app.elf:ro`, "-v", `${start}:/machine/start:ro`],
    ...["--entrypoint", `/${OWN}/warden`, image, "off", ...machine],
  ];
}
