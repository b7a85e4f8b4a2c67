import { execFileSync } from "node:child_process";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { commandLine } from "#agent/pods/qemu/command-line.ts";
import { OWN } from "#agent/pods/qemu/own.ts";
import { MACHINES } from "#protocol/machines.ts";
import { filesBeneath } from "#test/support/files-beneath.ts";
import { BASE_IMAGE } from "../../scripts/ensure-base-image.ts";
import { ensureVmImages } from "../../scripts/ensure-vm-images.ts";
import type { BenchStack } from "../bench-stack.ts";
import { program } from "../program.ts";
import { scaled } from "../scale.ts";
import type { Row } from "../table.ts";
import { time, UnikBench } from "./client.ts";
import { onUnikStack } from "./on-stack.ts";
import { inTurns } from "./turns.ts";

const ROUNDS = scaled(5);
const COMPILER = "linux-native-qemu";
const PORT = 8080;
/** Until one connection that nobody answers yet is given up. */
const TRY_MS = 500;
const DOCKERFILE = `FROM ${BASE_IMAGE}\nENTRYPOINT ["/bin/busybox", "httpd", "-f", "-p", "${PORT}", "-h", "/etc"]\n`;

/**
 * A virtual machine with a Linux kernel, from the request that runs it to its first answer at the instance's address,
 * against the same machine by `docker run`, at a published port.
 */
export function measureLinuxMachine(): Promise<Row[]> {
  let image = "";
  return onUnikStack((bench) => measure(bench, image), {
    async before(docker) {
      image = (await ensureVmImages(docker, (line) => console.error(line))).run;
    },
  });
}

async function measure(bench: BenchStack, image: string): Promise<Row[]> {
  const docker = program("docker");
  const unik = await UnikBench.open(bench, COMPILER);
  await unik.image("web", COMPILER, { Dockerfile: DOCKERFILE });
  const start = join(bench.scratch, "start");
  const ours = async () => {
    let id = "";
    const took = await time(async () => {
      id = await unik.run("web");
      await answers(`${await unik.addressOf(id)}:${PORT}`);
    });
    copyFileSync(fileOf(bench, "/start"), start);
    await unik.remove(`instances/${id}`);
    return took;
  };
  const peer = async () => {
    const words = peerOf(fileOf(bench, "/root.img"), start, image);
    let id = "";
    const took = await time(async () => {
      id = execFileSync(docker, words, { encoding: "utf8" }).trim();
      await answers(execFileSync(docker, ["port", id, `${PORT}/tcp`], { encoding: "utf8" }).trim());
    });
    execFileSync(docker, ["rm", "-f", id], { stdio: "ignore" });
    return took;
  };
  // the first makes the machine's disk
  const p50 = await inTurns(ROUNDS, ours, peer);
  return [
    {
      what: "linux: run to the first answer at its address, p50",
      ours: `${p50.ours.toFixed(0)} ms`,
      peer: `docker run of the same: ${p50.peer.toFixed(0)} ms`,
      ratio: p50.ratio,
      goal: { below: 1.15 },
    },
  ];
}

async function answers(at: string): Promise<void> {
  for (;;) {
    const answer = fetch(`http://${at}/`, { signal: AbortSignal.timeout(TRY_MS) });
    if (await answer.then(({ body }) => body?.cancel().then(() => true)).catch(() => false)) return;
    await sleep(20);
  }
}

/** The edge's file of a machine. */
function fileOf({ scratch }: BenchStack, end: string): string {
  const found = filesBeneath(join(scratch, "data/agent/machines")).find((path) => path.endsWith(end));
  if (!found) throw new Error(`the edge has no machine with ${end}`);
  return found;
}

/** What a run of the same machine by hand says to docker. */
function peerOf(root: string, start: string, image: string): string[] {
  const amd64 = process.arch === "x64";
  const machine = commandLine({
    kind: "linux",
    board: amd64 ? "microvm" : "virt",
    program: amd64 ? "/usr/bin/qemu-system-x86_64" : "/usr/bin/qemu-system-aarch64",
    memoryMb: MACHINES.linux.usualMb,
    kernel: `/${OWN}/kernel`,
    initramfs: `/${OWN}/initramfs`,
    disks: [
      { serial: "root", file: "/machine/root.img", readOnly: true },
      { serial: "start", file: "/machine/start", readOnly: true },
    ],
    ports: [PORT],
  });
  return [
    ...["run", "-d", "-i", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--user=65534:65534", "--cpus=1"],
    ...["-p", `127.0.0.1::${PORT}`, "-v", `${root}:/machine/root.img:ro`, "-v", `${start}:/machine/start:ro`],
    ...["--entrypoint", `/${OWN}/warden`, image, "line", ...machine],
  ];
}
