/** A mount in a `linux` machine: the disk's serial, and where its file system belongs. */
export type VmMount = { serial: string; at: string; readOnly: boolean };

const SECTOR = 512;

/** What the first program of a `linux` machine reads (guest/linux/init.c): a disk of its own, since a kernel's command line is short and anybody's. Pure. */
export function startDisk(start: {
  workdir: string;
  graceSeconds: number;
  argv: readonly string[];
  envs: Readonly<Record<string, string>>;
  mounts: readonly VmMount[];
}): Buffer {
  const { workdir, graceSeconds, argv, envs, mounts } = start;
  const environment = Object.entries(envs).map(([name, value]) => `${name}=${value}`);
  const texts = [
    ...["perigee 1", workdir, String(graceSeconds)],
    ...[String(argv.length), ...argv],
    ...[String(environment.length), ...environment],
    ...[String(mounts.length), ...mounts.flatMap((one) => [one.serial, one.at, one.readOnly ? "ro" : "rw"])],
  ];
  const bytes = Buffer.from(texts.map((text) => `${text}\0`).join(""));
  return Buffer.concat([bytes, Buffer.alloc((SECTOR - (bytes.length % SECTOR)) % SECTOR)]);
}
