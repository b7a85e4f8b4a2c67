import type { LinuxMachine } from "./command-line.ts";
import { OWN } from "./own.ts";

/** What a machine with a Linux kernel is on a host of this kind. @param arch of the host, as Node calls it */
export function linuxBoard(
  arch: string,
): Pick<LinuxMachine, "kind" | "board" | "program" | "kernel" | "initramfs"> {
  return {
    kind: "linux",
    board: arch === "x64" ? "microvm" : "virt",
    program: arch === "x64" ? "/usr/bin/qemu-system-x86_64" : "/usr/bin/qemu-system-aarch64",
    kernel: `/${OWN}/kernel`,
    initramfs: `/${OWN}/initramfs`,
  };
}
