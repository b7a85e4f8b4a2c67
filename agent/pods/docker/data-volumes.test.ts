import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PodRig } from "#test/support/pod-rig.ts";
import { volumePathOf } from "#test/support/run-mounts.ts";
import type { RunSpec } from "../pod-runtime.ts";
import { dataVolumes } from "./data-volumes.ts";
import type { DockerRuntime } from "./runtime.ts";

describe("dataVolumes", () => {
  test.each<[paths: string[], found: [target: string, subPath: string][]]>([
    [["/data"], []],
    [["/data/results"], [["/data/results", "results"]]],
    [
      ["//data/./results/", "/x/../data/a//b", "/data/results"],
      [
        ["/data/results", "results"],
        ["/data/a/b", "a/b"],
      ],
    ],
    [["data/results"], [["/data/results", "results"]]],
    [["/database", "/var/data", "/scratch", "/data/.."], []],
  ])("%j", (paths, found) => {
    expect(
      dataVolumes(paths, [{ volume: "v", path: "/v", at: "/data" }]).map(({ target, subPath }) => [
        target,
        subPath,
      ]),
    ).toEqual(found);
  });
});

describe("an image's VOLUMEs in the user's volume", () => {
  let rig: PodRig;
  let runtime: DockerRuntime;
  beforeAll(async () => {
    rig = await PodRig.create();
    runtime = rig.runtime();
  });
  afterAll(() => rig.cleanUp());

  const image = (name: string, script: string, config: object) => rig.variant(name, config, script);
  const spec = (imageId: string, volume: string, script: string): RunSpec =>
    rig.spec(["/bin/sh", "-c", script], {
      pod: volume,
      mounts: [{ volume, path: rig.volume(`ada-${volume}`), at: "/data" }],
      defaultWorkdir: "/data",
      imageId,
      maxMs: 3600_000,
    });
  const say = (run: RunSpec) => rig.say(runtime, run);

  test("hide no file and lose none, however the image names the place", async () => {
    const imageId = await image("places", "true", {
      Volumes: { "/data": {}, "/data/results/": {}, "data/deep/down": {}, "/scratch": {} },
    });
    const script =
      "cat /data/results/in /data/deep/down/in; " +
      "for d in results deep/down; do echo out > /data/$d/out; done; " +
      "echo gone > /scratch/file; ls /scratch";
    for (const volume of ["first", "second"]) {
      const run = spec(imageId, volume, script);
      for (const directory of ["results", "deep/down"]) {
        mkdirSync(path.join(volumePathOf(run), directory), { recursive: true });
        writeFileSync(path.join(volumePathOf(run), directory, "in"), `${directory}\n`);
      }
      expect(await say(run)).toEqual(["results", "deep/down", "file"]);
      for (const file of ["results/out", "deep/down/out"]) {
        expect(readFileSync(path.join(volumePathOf(run), file), "utf8"), file).toBe("out\n");
      }
      await runtime.remove(run.run);
    }
  });

  test("are made when they are missing, writable for any user id", async () => {
    const imageId = await image("user", "true", { User: "65534", Volumes: { "/data/a/b": {} } });
    const run = spec(imageId, "missing", "echo mine > /data/a/b/file; echo done");
    expect(await say(run)).toEqual(["done"]);
    expect(readFileSync(path.join(volumePathOf(run), "a/b/file"), "utf8")).toBe("mine\n");
  });

  test("a file that stands there is seen; a link is refused and never followed", async () => {
    const imageId = await image("stands", "true", { Volumes: { "/data/a/b": {} } });
    const file = spec(imageId, "file", "cat /data/a/b");
    mkdirSync(path.join(volumePathOf(file), "a"));
    writeFileSync(path.join(volumePathOf(file), "a/b"), "a file\n");
    expect(await say(file)).toEqual(["a file"]);

    const outside = path.join(rig.directory, "outside");
    mkdirSync(outside);
    for (const [volume, at, to] of [
      ["link", "a", outside],
      ["last-link", "b", path.join(outside, "new")],
    ] as const) {
      const run = spec(imageId, volume, "echo escaped > /data/a/b/file");
      const parent = at === "a" ? volumePathOf(run) : path.join(volumePathOf(run), "a");
      mkdirSync(parent, { recursive: true });
      symlinkSync(to, path.join(parent, at));
      await expect(runtime.start(run)).rejects.toThrow(
        "VOLUME /data/a/b is no file or directory in the volume",
      );
      expect(readdirSync(outside)).toEqual([]);
    }
    const blocked = spec(imageId, "blocked", "true");
    writeFileSync(path.join(volumePathOf(blocked), "a"), "");
    await expect(runtime.start(blocked)).rejects.toThrow("VOLUME /data/a/b is no file or directory");
  });

  test("are not mounted while another pod could put a link there, and none starts meanwhile", async () => {
    const imageId = await image("shared", "true", { Volumes: { "/data/a": {} } });
    const busybox = rig.images.get("busybox")!;
    const other = { ...spec(busybox, "shared", "while :; do sleep 1; done"), pod: "other" };
    await runtime.start(other);
    const run = spec(imageId, "shared", "ls -d /data/a");
    await expect(runtime.start(run)).rejects.toThrow("another pod runs on the volume");
    await runtime.remove(run.run);
    // Without such a VOLUME pods share a volume as ever.
    expect(await say({ ...spec(busybox, "shared", "echo hi"), pod: "third" })).toEqual(["hi"]);
    await runtime.stop(other.run, 0);

    const mounting = spec(imageId, "shared", "while :; do sleep 1; done");
    const late = { ...spec(busybox, "shared", "echo late"), pod: "late" };
    const told: string[] = [];
    const first = runtime.start(mounting).then(() => told.push("mounted"));
    const second = runtime.start(late).then(() => told.push("late"));
    await Promise.all([first, second]);
    expect(told).toEqual(["mounted", "late"]);
    // What has started is left alone when it is asked for again.
    await runtime.start(mounting);
    expect(await runtime.inspect(mounting.run)).toHaveProperty("running");
  });

  test("more VOLUMEs than an image may declare fail the start", async () => {
    const Volumes = Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`/scratch/${n}`, {}]));
    const run = spec(await image("many", "true", { Volumes }), "many", "true");
    await expect(runtime.start(run)).rejects.toThrow("more than 64 VOLUMEs");
  });

  test("an image whose WORKDIR is or lies in a file cannot be started", async () => {
    for (const [name, WorkingDir] of [
      ["workdir", "/etc/passwd"],
      ["beneath", "/etc/passwd/x"],
      ["loop", "/loop/x"],
    ] as const) {
      const imageId = await image(name, "mkdir -p /etc; touch /etc/passwd; ln -s /loop /loop", {
        WorkingDir,
      });
      const failing = runtime.start(spec(imageId, name, "true"));
      await expect(failing, WorkingDir).rejects.toMatchObject({ name: "StartFailure" });
      await expect(failing).rejects.not.toThrow(/overlay|docker/);
    }
  });
});
