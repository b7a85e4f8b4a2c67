import { MiB } from "#protocol/limits.ts";
import { EMULATOR_MB, MACHINES } from "#protocol/machines.ts";
import { DISK_FILE } from "#protocol/volume-create.ts";
import { type RunMount, type RunSpec, StartFailure } from "../pod-runtime.ts";
import type { Machine } from "./command-line.ts";
import { fileSystemOf } from "./file-system.ts";
import { linuxBoard } from "./linux-board.ts";
import { START_ADDRESS, startBlock } from "./start-block.ts";
import { startDisk } from "./start-disk.ts";
import type { VmImage } from "./vm-image-files.ts";

/** Where a machine's container has the files that are its own. */
const FILES = "/machine";
/** A microvm has eight devices: the root, the start disk, the network and these at least. */
const MOST_VOLUMES = MACHINES.linux.volumes;
export const EMULATOR_BYTES = EMULATOR_MB * MiB;
const DEFAULT_PORT = 8080;

export type VmSettings = {
  /** of this machine, as Node calls it; default: what it is */
  arch?: string;
  /** machines that may use the host's own virtualisation do; default: all are emulated */
  kvm?: boolean;
  /** bytes that one instance may have; undefined: as many as it asks for */
  mostBytes?: number | undefined;
};

/** May a machine of this kind use the host's own virtualisation? Only the same kind of processor can. */
export function mayUseKvm(kind: VmImage["kind"], arch: string): boolean {
  return kind === "linux" || arch === "arm64";
}

/** A run as a virtual machine: the emulator's settings, the mounts of its container, and the content of the guest's start file. */
export type MachineOfRun = { machine: Machine; mounts: RunMount[]; start: Buffer; startAt: string };

/** @throws StartFailure where the run asks for what machines cannot do */
export function machineOf(
  spec: RunSpec,
  of: {
    image: VmImage;
    argv: readonly string[];
    workdir: string;
    envs: Readonly<Record<string, string>>;
    settings: VmSettings;
  },
): MachineOfRun {
  const { image, argv, envs, settings } = of;
  const arch = settings.arch ?? process.arch;
  const kvm = settings.kvm === true && mayUseKvm(image.kind, arch);
  const memoryMb = guestMb(image.kind, spec.limits?.memoryBytes, settings.mostBytes);
  const startAt = `${FILES}/start`;
  const file = `${FILES}/${image.file}`;
  const mounts: RunMount[] = [
    { volume: "image", path: image.directory, subPath: image.file, at: file, readOnly: true },
  ];
  if (image.kind === "baremetal") {
    if (spec.mounts.length > 0) throw new StartFailure("a baremetal program has no files, and so no volumes");
    const machine: Machine = {
      kind: "baremetal",
      program: "/usr/bin/qemu-system-aarch64",
      memoryMb,
      kvm,
      elf: file,
      start: { file: startAt, address: START_ADDRESS },
    };
    return { machine, mounts, startAt, start: block(argv, envs, memoryMb) };
  }
  const volumes = spec.mounts.map((mount, at) => volumeOf(mount, at));
  if (volumes.length > MOST_VOLUMES) throw new StartFailure(`a machine has at most ${MOST_VOLUMES} volumes`);
  const machine: Machine = {
    ...linuxBoard(arch),
    memoryMb,
    kvm,
    disks: [
      { serial: "root", file, readOnly: true },
      { serial: "start", file: startAt, readOnly: true },
      ...volumes.map(({ disk }) => disk),
    ],
    ports:
      spec.network === "none" ? undefined : spec.ports.length > 0 ? [...new Set(spec.ports)] : [DEFAULT_PORT],
  };
  const start = startDisk({
    workdir: of.workdir,
    graceSeconds: Math.max(1, Math.round(spec.graceMs / 1000)),
    argv,
    envs,
    mounts: volumes.map(({ disk, at }) => ({ serial: disk.serial, at, readOnly: disk.readOnly })),
  });
  return { machine, mounts: [...mounts, ...volumes.map(({ mount }) => mount)], startAt, start };
}

/** As much as is asked for, and not more than is left beside the emulator. @throws StartFailure when that is too little */
function guestMb(kind: VmImage["kind"], asked: number | undefined, most = Number.POSITIVE_INFINITY): number {
  const { usualMb, leastMb: least } = MACHINES[kind];
  const bytes = Math.min(asked ?? usualMb * MiB, most - EMULATOR_BYTES);
  const mb = Math.floor(bytes / MiB);
  if (mb >= least) return mb;
  const overhead = `${EMULATOR_MB} MiB for its emulator`;
  throw new StartFailure(`a ${kind} machine needs ${least} MiB at least, beside ${overhead}: it has ${mb}`);
}

function block(argv: readonly string[], envs: Readonly<Record<string, string>>, memoryMb: number): Buffer {
  try {
    return startBlock(argv, envs, memoryMb * MiB);
  } catch (error) {
    if (error instanceof RangeError) throw new StartFailure(error.message, { cause: error });
    throw error;
  }
}

/** A volume that is a disk: its one file in the container, and the disk in the machine. */
function volumeOf({ volume, path, subPath, at, readOnly = false }: RunMount, n: number) {
  if (subPath !== undefined || fileSystemOf(path, DISK_FILE) === undefined) {
    throw new StartFailure(`the volume ${volume} at ${at} is no disk with ext2 or FAT`);
  }
  const serial = `volume${n}`;
  const file = `${FILES}/${serial}`;
  const mount: RunMount = { volume, path, subPath: DISK_FILE, at: file, readOnly };
  return { at, mount, disk: { serial, file, readOnly } };
}
