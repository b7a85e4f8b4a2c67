import { MiB } from "#protocol/limits.ts";
import { EMULATOR_MB, MACHINES } from "#protocol/machines.ts";
import type { Image } from "./holdings.ts";
import type { Provider } from "./records.ts";

/** MiB of an instance that is given none, by the image's base or provider. */
const MEMORY_MB = {
  baremetal: MACHINES.baremetal.usualMb,
  linux: MACHINES.linux.usualMb,
  container: 512,
};

export function infrastructureOf(provider: Provider): string {
  return provider.toUpperCase();
}

/** Whole MiB, at least one. */
export function sizeMb(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / MiB));
}

export function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}

/** The kind of machine that a compiler makes images for. */
export function machineOf(compiler: string): keyof typeof MEMORY_MB {
  if (!compiler.endsWith("-qemu")) return "container";
  return compiler.startsWith("baremetal-") ? "baremetal" : "linux";
}

/** @param edgeMb what the edge gives one instance, where it has told it: a machine's emulator is a part of that */
export function mostMemoryMb(compiler: string, edgeMb = Number.POSITIVE_INFINITY): number {
  return machineOf(compiler) === "container" ? edgeMb : edgeMb - EMULATOR_MB;
}

/** @param edgeMb as for {@link mostMemoryMb} */
export function defaultMemoryMb(compiler: string, edgeMb?: number): number {
  return Math.max(0, Math.min(MEMORY_MB[machineOf(compiler)], mostMemoryMb(compiler, edgeMb)));
}

export function imageView({ name, content }: Image, mostMb?: number): object {
  const { provider, compiler, createdAt, bytes, mountPoints } = content;
  const size = sizeMb(bytes);
  const devices = [
    { MountPoint: "/", DeviceName: "root" },
    ...mountPoints.map((at, n) => ({ MountPoint: at, DeviceName: `vol${n}` })),
  ];
  return {
    Id: name,
    Name: name,
    SizeMb: size,
    Infrastructure: infrastructureOf(provider),
    Created: timeOf(createdAt),
    StageSpec: { ImageFormat: provider === "qemu" ? "raw" : "folder" },
    RunSpec: {
      DeviceMappings: devices,
      DefaultInstanceMemory: defaultMemoryMb(compiler, mostMb),
      MinInstanceDiskMB: size,
      VsphereNetworkType: "",
      Compiler: compiler,
    },
  };
}
