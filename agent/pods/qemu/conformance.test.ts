import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ulid } from "ulid";
import { DISK_FILE } from "#protocol/volume-create.ts";
import { podRuntimeConformance } from "#test/conformance/pod-runtime.ts";
import { IMAGES_MS, VmWorld } from "#test/support/vm-world.ts";
import { KnownVmImages } from "./images/known-vm-images.ts";
import { VolumeDisks } from "./volume-disks.ts";

const MOUNT_POINTS = ["/data", "/inbox", "/outbox"];

// some thirty machines boot, each for seconds of processor time: in a long run alone (vitest.config.ts)
podRuntimeConformance("virtual machines", create, IMAGES_MS);

async function create() {
  const world = await VmWorld.create();
  const { docker, instance } = world.rig;
  const imageId = await world.compile(
    { Dockerfile: `FROM ${world.images.busybox}\n` },
    { base: "linux", language: "native", mountPoints: MOUNT_POINTS },
  );
  await world.runtime.prepare({ user: "ada", imageId });
  const empty = join(world.directory, "empty.img");
  await new VolumeDisks({ docker, instance, images: new KnownVmImages(docker) }).make({
    ...{ kind: "ext2", sizeBytes: 8 * 2 ** 20, to: empty, assertRoom: () => undefined },
    signal: AbortSignal.timeout(60_000),
  });
  const inDisk = async (volume: string, request: string) =>
    world.inTools(`debugfs -w -R '${request}' /volume/${DISK_FILE}`, volume);
  return {
    runtime: world.runtime,
    imageId,
    imageName: "perigee-test/busybox:latest",
    node: { name: "mpu1", kind: "MPU" as const },
    counts: true,
    streamsApart: false,
    knowsPrograms: false as const,
    knowsMemory: false as const,
    volume() {
      const volume = world.rig.volume(ulid());
      mkdirSync(volume, { recursive: true });
      copyFileSync(empty, join(volume, DISK_FILE));
      chmodSync(join(volume, DISK_FILE), 0o666);
      return volume;
    },
    files: {
      async read(volume: string, file: string) {
        const out = join(volume, "out");
        rmSync(out, { force: true });
        await inDisk(volume, `dump ${file} /volume/out`);
        try {
          return readFileSync(out, "utf8");
        } catch {
          return undefined;
        }
      },
      async write(volume: string, file: string, content: string) {
        writeFileSync(join(volume, "in"), content);
        await inDisk(volume, `write /volume/in ${file}`);
      },
    },
    async addresses(run: string) {
      const address = await world.runtime.addressOf(run);
      return address === undefined ? [] : [address];
    },
    cleanUp: () => world.tearDown(),
  };
}
