import { EMULATOR_MB } from "#protocol/machines.ts";
import type { Compiler } from "./compiler.ts";
import { VOLUMES } from "./lines.ts";

const MACHINE = `
OTHER
It runs on a Linux kernel of the edge's in a virtual machine, as the only program beside a first process of ours: not a
unikernel. Its files are a disk that can only be read; /tmp and /run are in memory. Volumes are disks with ext2 or FAT, at
most four, and can be written. The memory that an instance is given is the machine's own; ${EMULATOR_MB} MiB more for the
emulator count towards what the edge gives one instance.
`;

/** The same files as a container's, as the disk of a virtual machine with a Linux kernel. */
export function onLinux(docker: Compiler): Compiler {
  return {
    ...docker,
    base: "linux",
    providers: ["qemu"],
    machine: "linux",
    description: docker.description.replace(VOLUMES, "") + MACHINE,
    dockerfile(sources) {
      const { mountPoints } = sources;
      const text = docker.dockerfile(sources);
      // The directories are made with the disk (agent/pods/qemu/make-root-disk.ts): a Dockerfile of the user's makes none.
      return mountPoints.length > 0 ? `${text}VOLUME ${JSON.stringify(mountPoints)}\n` : text;
    },
  };
}
