import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { tarOf } from "#test/support/tar-of.ts";
import { IMAGES_MS, VmWorld } from "#test/support/vm-world.ts";
import { WITHOUT_MACHINES } from "#test/support/without-machines.ts";
import { HELPER_LABEL, removeHelpers } from "../../engine/helper-containers.ts";
import { StartFailure } from "../pod-runtime.ts";
import { Runtimes } from "../runtimes.ts";
import { VmImageFiles } from "./vm-image-files.ts";

describe.skipIf(WITHOUT_MACHINES)("files of images for machines", () => {
  let world: VmWorld;
  let busybox: string;
  beforeAll(async () => {
    world = await VmWorld.create();
    busybox = (await world.rig.docker.getImage(world.images.busybox).inspect()).Id;
  }, IMAGES_MS);
  afterAll(() => world?.tearDown());

  const open = (name: string, freeFloorBytes = 0) => {
    const root = join(world.directory, name);
    mkdirSync(root);
    const { docker, instance } = world.rig;
    return { root, files: new VmImageFiles({ docker, instance, root, freeFloorBytes }) };
  };
  test("a sweep takes what is left over, and nothing that is being made", async () => {
    const { root, files } = open("swept");
    for (const left of ["0".repeat(64), `${"0".repeat(64)}.part`, "1.part"]) mkdirSync(join(root, left));
    const taken = files.of(busybox, world.vm.build);
    let isTaking = true;
    const sweeping = (async () => {
      while (isTaking) await files.sweep();
    })();
    const { kind, directory, file } = await taken.finally(() => {
      isTaking = false;
    });
    await sweeping;
    expect([kind, file, readdirSync(directory)]).toEqual(["linux", "root.img", ["root.img"]]);
    expect(readdirSync(root)).toEqual([busybox.replace("sha256:", "")]);
    expect(await world.helpers()).toEqual([]);
  });

  test("at the free-space floor no disk is made, and nothing stays", async () => {
    const { root, files } = open("full", Number.MAX_SAFE_INTEGER);
    const failure = await files.of(busybox, world.vm.build).catch((error) => error);
    expect(failure).toBeInstanceOf(StartFailure);
    expect(failure.message).toContain("free-space floor");
    expect([readdirSync(root), await world.helpers()]).toEqual([[], []]);
  });

  test("a directory with the name of a program is none; the files of an image go when it is deleted", async () => {
    const { docker, instance } = world.rig;
    const made = await docker.createContainer({ Image: busybox, Labels: { [HELPER_LABEL]: instance } });
    const tar = tarOf([{ name: "image/app.elf/first", content: "a file", mode: 0o644 }]);
    await made.putArchive(Readable.from(tar), { path: "/" });
    const { Id } = await made.commit();
    await made.remove();
    const directory = join(world.directory, "images", Id.replace("sha256:", ""));
    try {
      await world.runtime.prepare({ user: "ada", imageId: Id });
      expect(readdirSync(directory)).toEqual(["root.img"]);
    } finally {
      await docker.getImage(Id).remove({ force: true });
    }
    new Runtimes(world.pods, world.runtime).imagesChanged();
    await vi.waitFor(() => expect(existsSync(directory)).toBe(false), 60_000);
  });

  test("containers that an agent before left go, and those that were made since stay", async () => {
    const { docker, instance } = world.rig;
    const made = await docker.createContainer({
      ...{ Image: busybox, Labels: { [HELPER_LABEL]: instance } },
      HostConfig: { NetworkMode: "none" },
    });
    await removeHelpers(docker, instance, Date.now() - 60_000);
    expect((await world.helpers()).map(({ Id }) => Id)).toEqual([made.id]);
    await removeHelpers(docker, instance, Date.now() + 60_000);
    expect(await world.helpers()).toEqual([]);
  });
});
