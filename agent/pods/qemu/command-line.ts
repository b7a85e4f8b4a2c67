/** A file that the machine has as a disk. */
export type VmDisk = { serial: string; file: string; readOnly?: boolean };

type Common = {
  /** full path of the emulator */
  program: string;
  /** of the guest, whole MiB */
  memoryMb: number;
  /** the host's own virtualisation; else emulated */
  kvm?: boolean;
};

/** One ELF without an operating system, and the block it starts with. */
export type BareMetalMachine = Common & {
  kind: "baremetal";
  elf: string;
  start: { file: string; address: number };
};

/** A Linux kernel with disks, and ports that lead into it. */
export type LinuxMachine = Common & {
  kind: "linux";
  board: "microvm" | "virt";
  kernel: string;
  initramfs: string;
  disks: readonly VmDisk[];
  /** undefined: no network */
  ports: readonly number[] | undefined;
};

export type Machine = BareMetalMachine | LinuxMachine;

/** Files and ports come from us, yet a comma would end a value: QEMU's rule is to double it. */
const value = (text: string) => text.replaceAll(",", ",,");

/** System calls that an emulator needs for nothing here. */
const SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny";

/** Words that QEMU is started with: nothing but what is named here is in the machine. Pure. */
export function commandLine(machine: Machine): string[] {
  return [
    machine.program,
    ...["-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none", "-no-reboot"],
    ...["-sandbox", SANDBOX],
    ...["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"],
    ...["-m", `${machine.memoryMb}M`, "-smp", "1"],
    ...["-accel", machine.kvm ? "kvm" : "tcg", "-cpu", cpuOf(machine)],
    ...(machine.kind === "baremetal" ? bareMetal(machine) : linux(machine)),
  ];
}

function cpuOf({ kvm, program }: Machine): string {
  if (kvm) return "host";
  // what an emulated "max" signs pointers with takes longer than all else
  return program.endsWith("aarch64") ? "cortex-a72" : "max";
}

function bareMetal({ elf, start }: BareMetalMachine): string[] {
  const address = `0x${start.address.toString(16)}`;
  return [
    ...["-machine", "virt"],
    ...["-kernel", elf],
    ...["-device", `loader,file=${value(start.file)},addr=${address},force-raw=on`],
  ];
}

/** Nothing of the kernel's is for the application's log. */
function kernelLine({ board, kvm }: LinuxMachine): string {
  const line = "quiet loglevel=0 console=tty9 panic=-1 reboot=t";
  // An emulated microvm has no clock to measure its processor by: who starts it says (guest/warden/warden.c).
  return board === "microvm" && !kvm ? `${line} tsc_early_khz=TSC_KHZ` : line;
}

function linux(machine: LinuxMachine): string[] {
  const { board, kernel, initramfs, disks, ports } = machine;
  const bus = board === "microvm" ? "device" : "pci";
  return [
    ...["-machine", board],
    ...["-kernel", kernel, "-initrd", initramfs],
    ...["-append", kernelLine(machine)],
    ...disks.flatMap(({ serial, file, readOnly }) => [
      "-drive",
      // A format that is found out would let what a user wrote name other files.
      `id=${serial},if=none,format=raw,file=${value(file)},readonly=${readOnly ? "on" : "off"}`,
      "-device",
      `virtio-blk-${bus},drive=${serial},serial=${serial}`,
    ]),
    ...(ports === undefined
      ? []
      : [
          "-netdev",
          ["user,id=net", ...ports.map((port) => `hostfwd=tcp::${port}-:${port}`)].join(","),
          "-device",
          `virtio-net-${bus},netdev=net${bus === "pci" ? ",romfile=" : ""}`,
        ]),
  ];
}
