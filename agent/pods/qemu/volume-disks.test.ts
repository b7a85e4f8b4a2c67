import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { PerigeeError } from "#protocol/errors.ts";
import { MiB } from "#protocol/limits.ts";
import { DISK_FILE } from "#protocol/volume-create.ts";
import { tarOf } from "#test/support/tar-of.ts";
import { IMAGES_MS, VmWorld } from "#test/support/vm-world.ts";
import { VolumeWorld } from "#test/support/volume-world.ts";
import { WITHOUT_MACHINES } from "#test/support/without-machines.ts";
import { KnownVmImages } from "./images/known-vm-images.ts";
import { VolumeDisks } from "./volume-disks.ts";

const FILES = [
  { name: "bin/run", content: "#!/bin/sh\n", mode: 0o755 },
  { name: "grüße.txt", content: "hallo", mode: 0o644 },
  { name: "a long name", content: "x".repeat(2 * MiB - 100), mode: 0o644 },
];

describe.skipIf(WITHOUT_MACHINES)("volumes that are disks", () => {
  let machines: VmWorld;
  let world: VolumeWorld;
  let disks: VolumeDisks;
  let archive: Buffer;
  beforeAll(async () => {
    machines = await VmWorld.create();
    world = new VolumeWorld();
    const { docker, instance } = machines.rig;
    disks = new VolumeDisks({ docker, instance, images: new KnownVmImages(docker) });
    world.deps.disks = disks;
    archive = Buffer.concat(await Readable.from(tarOf(FILES)).toArray());
  }, IMAGES_MS);
  afterAll(async () => {
    await world?.[Symbol.asyncDispose]();
    await machines?.tearDown();
  });

  const create = (input: object, data?: Buffer) => {
    const command = world.command("volume.create", { volume: "v", kind: "ext2", source: "tar", ...input });
    return world.run(data ? command.stage("data", data) : command);
  };
  const disk = (volume: string) => `${dirname(world.volume)}/${volume}/${DISK_FILE}`;
  const inDisk = (volume: string, command: string) => machines.inTools(command, dirname(disk(volume)));

  test("ext2 has the data, with its execute bits, and is as large as was said, all of it on the disk", async () => {
    expect(await create({ volume: "a", sizeBytes: 8 * MiB }, archive)).toEqual({ bytes: 8 * MiB });
    const { size, blocks, mode } = statSync(disk("a"));
    expect([size, blocks * 512 >= size, mode & 0o777]).toEqual([8 * MiB, true, 0o666]);
    await inDisk(
      "a",
      "e2fsck -fn /volume/disk.img && debugfs -R 'stat bin/run' /volume/disk.img | grep 0777",
    );
    await inDisk("a", "test hallo = $(debugfs -R 'cat grüße.txt' /volume/disk.img)");
  });

  test("without a size it is as large as the data needs; an empty one has its size", async () => {
    const { bytes } = await create({ volume: "b" }, archive);
    expect([bytes % MiB, bytes < 16 * MiB, bytes > 2 * MiB]).toEqual([0, true, true]);
    expect(await create({ volume: "c", source: "empty", sizeBytes: 2 * MiB })).toEqual({ bytes: 2 * MiB });
    await inDisk("c", "e2fsck -fn /volume/disk.img");
  });

  test("FAT has the data too", async () => {
    await create({ volume: "d", kind: "fat" }, archive);
    await inDisk("d", "test hallo = $(LC_ALL=C.UTF-8 mtype -i /volume/disk.img ::grüße.txt)");
    await inDisk("d", "fsck.vfat -n /volume/disk.img");
  });

  test("raw data is the disk, filled up to whole MiB or to the size", async () => {
    const raw = Buffer.from("QFI\xfb and nothing that a machine mounts");
    expect(await create({ volume: "e", source: "raw" }, raw)).toEqual({ bytes: MiB });
    expect(readFileSync(disk("e")).subarray(0, raw.length).equals(raw)).toBe(true);
    expect(await create({ volume: "f", source: "raw", sizeBytes: 3 * MiB }, raw)).toEqual({ bytes: 3 * MiB });
  });

  test("what does not fit is refused, and nothing stays", async () => {
    const refused = { code: "DATA_TOO_LARGE" };
    await expect(create({ volume: "g", sizeBytes: MiB }, archive)).rejects.toMatchObject(refused);
    for (const kind of ["ext2", "fat"]) {
      await expect(create({ volume: "g", kind, sizeBytes: 2 * MiB }, archive)).rejects.toMatchObject(refused);
    }
    const raw = { volume: "g", source: "raw", sizeBytes: MiB };
    await expect(create(raw, Buffer.alloc(MiB + 1))).rejects.toMatchObject(refused);
    world.quota = 4 * MiB;
    const empty = { volume: "g", source: "empty", sizeBytes: 64 * MiB };
    await expect(create(empty)).rejects.toMatchObject({ code: "QUOTA_EXCEEDED" });
    // of the archive, and of the disk that would be as large as the data needs
    world.quota = 6 * MiB;
    await expect(create({ volume: "g" }, archive)).rejects.toMatchObject({ code: "QUOTA_EXCEEDED" });
    world.quota = 2 ** 40;
    expect([existsSync(disk("g")), world.leftovers()]).toEqual([false, []]);
    expect(await machines.helpers()).toEqual([]);
  });

  test("a disk is not begun without room for it, and is given up when its room has gone", async () => {
    const full = new PerigeeError("STORAGE_FULL", "full");
    const assertRoom = vi.fn((bytes: number) => {
      if (bytes === 0) throw full;
    });
    const to = disk("endless");
    const endless = new Readable({ read: () => undefined });
    const files = { tar: endless, bytes: MiB };
    const { signal } = new AbortController();
    await expect(disks.make({ kind: "fat", files, to, signal, assertRoom })).rejects.toBe(full);
    expect([assertRoom.mock.calls[0]![0] > 10 * MiB, existsSync(to), endless.destroyed]).toEqual([
      ...[true, false, true],
    ]);
    expect(await machines.helpers()).toEqual([]);
    const begin = vi.spyOn(machines.rig.docker, "createContainer");
    assertRoom.mockImplementation(() => {
      throw full;
    });
    await expect(disks.make({ kind: "fat", sizeBytes: MiB, to, signal, assertRoom })).rejects.toBe(full);
    expect(begin).not.toHaveBeenCalled();
    begin.mockRestore();
  });

  test("without the images for machines there are none", async () => {
    const { docker, instance } = machines.rig;
    const images = { get: async () => undefined };
    world.deps.disks = new VolumeDisks({ docker, instance, images });
    const empty = { volume: "h", source: "empty", sizeBytes: MiB };
    await expect(create(empty)).rejects.toMatchObject({ code: "NOT_SUPPORTED" });
    world.deps.disks = disks;
  });
});
