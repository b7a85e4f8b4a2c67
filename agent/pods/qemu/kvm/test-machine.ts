import type Docker from "dockerode";
import { MiB } from "#protocol/limits.ts";
import { MACHINES } from "#protocol/machines.ts";
import { ignoring, messageOf, statusOf } from "../../../engine/engine-call.ts";
import { orAborted } from "../../../or-aborted.ts";
import { containerOf } from "../../docker/container.ts";
import { framesOf, openLogStream } from "../../docker/logs.ts";
import { seccompProfile } from "../../docker/seccomp-profile.ts";
import { withinTime } from "../../docker/within-time.ts";
import { DEFAULT_POD_LIMITS } from "../../pod-limits.ts";
import { commandLine } from "../command-line.ts";
import { linuxBoard } from "../linux-board.ts";
import { machineContainer, PROCESSES } from "../machine-container.ts";
import { EMULATOR_BYTES } from "../machine-of-run.ts";
import { OWN } from "../own.ts";
import { KVM, type KvmAccess } from "./kvm-access.ts";

/** Label of the containers of test machines; its value is the agent's instance. */
export const TEST_MACHINE_LABEL = "perigee.test-machine";

/** So long a test machine may take from when its container has started to its end. */
const BOOT_MS = 10_000;
/** An engine that has not made or started a container by then does not answer. */
const CREATE_MS = 30_000;
/** The engine itself waits some 10 s for a process that cannot be killed, and then says so. */
const REMOVE_MS = 20_000;
/** Lines of what it said that are read. */
const LINES = 50;

/** Any file that is no start disk. What reads it has a kernel that boots, a disk and a console: all of a machine. */
const START = `/${OWN}/warden`;
/** The guest's first program (guest/linux/init.c), of a start disk that it has read. */
const BOOTED = "the machine cannot start: unknown start disk";

export type TestMachineOptions = {
  /** label of what this agent makes */
  instance: string;
  /** ID of the image that machines run in */
  image: string;
  /** of the host's own virtualisation; absent: the machine is emulated */
  kvm?: KvmAccess | undefined;
  /** of this machine, as Node calls it; default: what it is */
  arch?: string;
  /** default 10 s */
  bootMs?: number;
  /** ends it */
  signal?: AbortSignal;
};

export type TestMachine = {
  /** Why it has not booted in time; undefined: it has. Fails when the engine does not answer: nothing is known then. */
  failure: Promise<string | undefined>;
  /** Its container was removed, or that was given up. Never fails. */
  gone: Promise<void>;
};

/**
 * Starts a machine in a container that is as those of instances are, and sees whether its kernel and first program run.
 * The answer does not wait for the removal: a process that hangs in the device cannot be killed.
 */
export function startTestMachine(docker: Docker, options: TestMachineOptions): TestMachine {
  const making = make(docker, options);
  const failure = failureOf(docker, making, options);
  const remove = async () => void (await removed(await making));
  const gone = failure.then(remove, remove).catch(() => undefined);
  return { failure, gone };
}

/** Removes what agents before left. @returns how many are still there. @throws when the engine does not answer */
export async function sweepTestMachines(docker: Docker, instance: string): Promise<number> {
  const filters = { label: [`${TEST_MACHINE_LABEL}=${instance}`] };
  const found = await docker.listContainers({ all: true, filters });
  const gone = await Promise.all(found.map(({ Id }) => removed(docker.getContainer(Id))));
  return gone.filter((done) => !done).length;
}

async function removed(container: Docker.Container): Promise<boolean> {
  const abortSignal = AbortSignal.timeout(REMOVE_MS);
  try {
    const status = await ignoring(container.remove({ force: true, v: true, abortSignal }), 404, 409);
    // 409: the engine is at it
    if (status === 409) await ignoring(container.wait({ condition: "removed", abortSignal }), 404);
    return true;
  } catch {
    return false;
  }
}

async function failureOf(
  docker: Docker,
  making: Promise<Docker.Container>,
  { bootMs = BOOT_MS, signal }: TestMachineOptions,
): Promise<string | undefined> {
  let over: AbortSignal | undefined;
  try {
    const container = await withinTime(making, CREATE_MS);
    const others = signal ? [signal] : [];
    await container.start({ abortSignal: AbortSignal.any([AbortSignal.timeout(CREATE_MS), ...others]) });
    // from here on: what the engine is busy with says nothing about the device
    over = AbortSignal.any([AbortSignal.timeout(bootMs), ...others]);
    await container.wait({ abortSignal: over });
    const said = await orAborted(linesOf(docker, container.id), over);
    if (said.some((line) => line.startsWith(BOOTED))) return undefined;
    return `a test machine ended before it had booted: ${said.join(" ").slice(-300) || "it said nothing"}`;
  } catch (error) {
    signal?.throwIfAborted();
    if (over?.aborted) return `a test machine had not booted within ${bootMs / 1000} s`;
    if (statusOf(error) === undefined) throw error;
    return `the container of a test machine could not be started: ${messageOf(error)}`;
  }
}

async function make(
  docker: Docker,
  { instance, image, kvm, arch = process.arch }: TestMachineOptions,
): Promise<Docker.Container> {
  const memoryMb = MACHINES.linux.leastMb;
  const words = commandLine({
    ...linuxBoard(arch),
    memoryMb,
    kvm: kvm !== undefined,
    disks: [{ serial: "start", file: START, readOnly: true }],
    ports: undefined,
  });
  const spec = {
    ...{ run: "", user: "", pod: "test-machine", node: "", kind: "MPU" as const, imageId: image },
    ...{ mounts: [], ports: [], envs: {}, network: "none" as const, graceMs: 0 },
    command: [`/${OWN}/warden`, "line", ...words],
    limits: { memoryBytes: memoryMb * MiB + EMULATOR_BYTES, pids: PROCESSES },
    devices: kvm ? [KVM] : [],
  };
  const { name: _, ...container } = containerOf(spec, {
    ...{ name: "", network: undefined, open: {}, instance, session: "", workdir: "", devices: {} },
    ...{ mounts: [], entrypoint: [], cmd: [], limits: DEFAULT_POD_LIMITS },
    seccomp: seccompProfile(await docker.info()),
  });
  // no other label: it is not a run, and only sweepTestMachines may find it
  const Labels = { [TEST_MACHINE_LABEL]: instance };
  return docker.createContainer({ ...machineContainer(container, kvm), Labels });
}

async function linesOf(docker: Docker, id: string): Promise<string[]> {
  const lines: string[] = [];
  const options = { stdout: true, stderr: true, timestamps: true, tail: LINES };
  for await (const { text } of framesOf(await openLogStream(docker, id, options))) {
    lines.push(`${text}`.replaceAll(/\p{Cc}+/gu, " ").trim());
  }
  return lines;
}
