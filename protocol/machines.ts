/** Virtual machines, by what runs in them: MiB of a guest that is given none, the least that it starts with, and its volumes. */
export const MACHINES = {
  linux: { usualMb: 128, leastMb: 96, volumes: 4 },
  baremetal: { usualMb: 64, leastMb: 16, volumes: 0 },
} as const;

export type MachineKind = keyof typeof MACHINES;

/** How machines run: by a program that does what a processor would, or by the host's own virtualisation (KVM). */
export const MACHINES_RUN = ["emulated", "host"] as const;
export type MachinesRun = (typeof MACHINES_RUN)[number];

/** MiB that an emulator needs beside the guest's memory; both together are what an instance takes. */
export const EMULATOR_MB = 192;

/** Where an image has its program without an operating system; the files of all others are for Linux. */
export const BAREMETAL_PROGRAM = "/image/app.elf";
