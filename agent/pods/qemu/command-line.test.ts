import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { commandLine, type LinuxMachine } from "./command-line.ts";

const FIRST = [
  ...["-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none", "-no-reboot"],
  ...["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"],
  ...["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"],
];

const linux = (over: Partial<LinuxMachine> = {}): LinuxMachine => ({
  kind: "linux",
  program: "/usr/bin/qemu-system-x86_64",
  board: "microvm",
  memoryMb: 128,
  kernel: "/k",
  initramfs: "/i",
  disks: [{ serial: "root", file: "/machine/root.img", readOnly: true }],
  ports: [8080, 53],
  ...over,
});

describe("the command line of an emulator", () => {
  test("of a program without an operating system", () => {
    const program = "/usr/bin/qemu-system-aarch64";
    const start = { file: "/machine/start", address: 0x40200000 };
    expect(commandLine({ kind: "baremetal", program, memoryMb: 64, elf: "/machine/app.elf", start })).toEqual(
      [
        ...[program, ...FIRST, "-m", "64M", "-smp", "1", "-accel", "tcg", "-cpu", "cortex-a72"],
        ...["-machine", "virt", "-kernel", "/machine/app.elf"],
        ...["-device", "loader,file=/machine/start,addr=0x40200000,force-raw=on"],
      ],
    );
  });

  test("of a Linux machine", () => {
    expect(commandLine(linux())).toEqual([
      ...["/usr/bin/qemu-system-x86_64", ...FIRST, "-m", "128M", "-smp", "1", "-accel", "tcg", "-cpu", "max"],
      ...["-machine", "microvm", "-kernel", "/k", "-initrd", "/i"],
      ...["-append", "quiet loglevel=0 console=tty9 panic=-1 reboot=t tsc_early_khz=TSC_KHZ"],
      ...["-drive", "id=root,if=none,format=raw,file=/machine/root.img,readonly=on"],
      ...["-device", "virtio-blk-device,drive=root,serial=root"],
      ...["-netdev", "user,id=net,hostfwd=tcp::8080-:8080,hostfwd=tcp::53-:53"],
      ...["-device", "virtio-net-device,netdev=net"],
    ]);
  });

  test("of one with the host's virtualisation on the other board, without a network", () => {
    const words = commandLine(
      linux({ board: "virt", program: "/usr/bin/qemu-system-aarch64", kvm: true, ports: undefined }),
    );
    expect(words.slice(words.indexOf("-accel")).slice(0, 4)).toEqual(["-accel", "kvm", "-cpu", "host"]);
    expect(words).toContain("virtio-blk-pci,drive=root,serial=root");
    expect(words).not.toContain("-netdev");
  });

  test("whatever files are called, every disk is raw and no word but its own is one", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ minLength: 1 }), { maxLength: 4 }), (files) => {
        const disks = files.map((file, at) => ({ serial: `volume${at}`, file }));
        const words = commandLine(linux({ disks }));
        const drives = words.filter((_, at) => words[at - 1] === "-drive");
        expect(drives).toHaveLength(files.length);
        for (const [at, drive] of drives.entries()) {
          const values = drive.split(/(?<!,)(?:,,)*,(?!,)/);
          expect(values.slice(0, 3)).toEqual([`id=volume${at}`, "if=none", "format=raw"]);
          expect(drive).toBe(
            `id=volume${at},if=none,format=raw,file=${files[at]!.replaceAll(",", ",,")},readonly=off`,
          );
        }
        for (const word of ["-incoming", "-virtfs", "-semihosting", "-gdb", "-qmp", "-S", "-s"]) {
          expect(words).not.toContain(word);
        }
      }),
    );
  });
});
