import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type Docker from "dockerode";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { MiB } from "#protocol/limits.ts";
import { engineWith } from "#test/support/engine-with.ts";
import { program } from "#test/support/programs.ts";
import { mountOf } from "#test/support/run-mounts.ts";
import { IMAGES_MS, VmWorld } from "#test/support/vm-world.ts";
import { WITHOUT_MACHINES } from "#test/support/without-machines.ts";
import { ImageMissing, StartFailure } from "../pod-runtime.ts";
import { KnownVmImages } from "./images/known-vm-images.ts";
import { vmImageNames } from "./images/vm-images.ts";
import { Kvm } from "./kvm/kvm.ts";

const PROGRAM = `
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "words.h"

static int is(const char *a, const char *b) { return a && strcmp(a, b) == 0; }

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	if (is(what, "tell")) {
		for (int i = 0; i < argc; i++) printf("%s|", argv[i]);
		printf("\\n%s %.2f\\n", getenv("GREETING"), 3.14159);
		printf("%d %s", getchar(), WORD);
		return 7;
	}
	if (is(what, "loop")) { puts("ready"); for (;;) ; }
	if (is(what, "fault")) { *(volatile int *)16 = 1; return 0; }
	if (is(what, "memory")) { size_t n = 0; while (malloc(1 << 20)) n++; printf("%zu %d\\n", n, errno == ENOMEM); return 0; }
	if (is(what, "silent")) { printf("\\036exit 0\\nbehind it\\n"); __asm__("mov x0, #0x84000008 & 0xffff\\nmovk x0, #0x8400, lsl #16\\nhvc #0"); }
	return 0;
}
`;

describe.skipIf(WITHOUT_MACHINES)("machines without an operating system", () => {
  let world: VmWorld;
  let image: string;
  beforeAll(async () => {
    world = await VmWorld.create();
    image = await world.compile(
      { "main.c": PROGRAM, "words.h": '#define WORD "end"' },
      { base: "baremetal", language: "c" },
    );
  }, IMAGES_MS);
  afterAll(() => world?.tearDown());

  const start = async (what: string, over = {}) => {
    const spec = world.spec(image, { args: [what], ...over });
    await world.runtime.start(spec);
    return spec;
  };

  const containerOf = (run: string) =>
    world.rig.docker.getContainer(`${world.rig.instance}-vm-${run.toLowerCase()}`);

  test("arguments, environment and output are the program's, and its exit code is the run's", async () => {
    const args = ["tell", "a b", "'$HOME\"", "é\n"];
    const { run } = await start("tell", { args, envs: { GREETING: "héllo, =x" } });
    expect(await world.said(run)).toEqual(["program|tell|a b|'$HOME\"|é", "|", "héllo, =x 3.14", "-1 end"]);
    expect(await world.end(run)).toMatchObject({ terminated: { exitCode: 7, reason: "Error" } });
  });

  test("a program that never ends is switched off at once, and a second start starts nothing", async () => {
    const spec = await start("loop", { graceMs: 3_600_000 });
    await world.until(spec.run, "ready");
    expect(await world.runtime.inspect(spec.run)).toHaveProperty("running");
    expect(await world.runtime.list()).toContainEqual({
      ...{ run: spec.run, user: "ada", pod: spec.pod, phase: "running" },
    });
    await world.runtime.stop(spec.run, spec.graceMs);
    expect(await world.end(spec.run)).toMatchObject({ terminated: { exitCode: 137, reason: "Error" } });
    await world.runtime.start(spec);
    expect(await world.said(spec.run)).toEqual(["ready"]);
    await world.runtime.remove(spec.run);
    expect(await world.runtime.inspect(spec.run)).toBeUndefined();
  });

  test("a kill asks nobody, also not a first process that takes no signal", async () => {
    const { run } = await start("loop");
    await world.until(run, "ready");
    await containerOf(run).kill({ signal: "SIGSTOP" });
    await world.runtime.stop(run, 0);
    expect(await world.end(run)).toMatchObject({ terminated: { exitCode: 137 } });
  });

  test("who follows a null pointer ends with 139, and says where", async () => {
    const { run } = await start("fault");
    const [, told] = await world.said(run);
    expect(told).toMatch(/^fault: data at 0x[0-9a-f]{16}, address 0x0000000000000010$/);
    expect(await world.end(run)).toMatchObject({ terminated: { exitCode: 139, reason: "Error" } });
  });

  test("memory is what the run was given", async () => {
    const { run } = await start("memory", { limits: { memoryBytes: 16 * MiB } });
    expect(await world.said(run)).toEqual([expect.stringMatching(/^[89] 1$/)]);
  });

  test("a machine that ends without its last line has failed, whatever it wrote before", async () => {
    const { run } = await start("silent");
    // two streams: which line of them is the first is the engine's affair
    expect((await world.said(run)).sort()).toEqual([
      ...["\x1eexit 0", "behind it", "the machine ended without an exit code"],
    ]);
    expect(await world.end(run)).toMatchObject({ terminated: { exitCode: 255, reason: "VMFailed" } });
  });

  test("the emulator has no rights, no network and nothing to write but a little memory", async () => {
    const { run } = await start("loop");
    await world.until(run, "ready");
    const { Config, HostConfig, Mounts, State } = await containerOf(run).inspect();
    expect(Config.User).toBe("65534:65534");
    expect((Config.Env ?? []).filter((line) => !line.startsWith("PATH="))).toEqual([]);
    expect(HostConfig).toMatchObject({
      ...{ CapDrop: ["ALL"], ReadonlyRootfs: true, NetworkMode: "none", PidsLimit: 64, Devices: [] },
      Memory: (64 + 192) * MiB,
    });
    expect(HostConfig.SecurityOpt).toContain("no-new-privileges");
    expect(
      Mounts.filter(({ Type }) => Type === "bind").map(({ RW, Destination }) => [RW, Destination]),
    ).toEqual(
      expect.arrayContaining([
        [false, "/machine/app.elf"],
        [false, "/machine/start"],
      ]),
    );
    expect(readFileSync(`/proc/${State.Pid}/status`, "utf8")).toMatch(/^CapEff:\t0{16}$/m);
    await world.runtime.remove(run);
  });

  test("without the images for machines none starts, and those that run are known and can be stopped", async () => {
    const { run } = await start("loop");
    await world.until(run, "ready");
    const later = world.open({ get: async () => undefined, look: async () => undefined });
    expect(await later.missing()).toContain("the images for virtual machines are not there");
    await expect(later.start(world.spec(image))).rejects.toThrow(StartFailure);
    expect(await later.list()).toContainEqual(expect.objectContaining({ run, phase: "running" }));
    expect(await later.inspect(run)).toHaveProperty("running");
    await later.stop(run, 10_000);
    expect(await later.inspect(run)).toMatchObject({ terminated: { exitCode: 137 } });
    await later.remove(run);
    expect(await world.runtime.list()).not.toContainEqual(expect.objectContaining({ run }));
    await later.close();
  });

  test("who looks after the networks is the runtime of containers alone", async () => {
    const { networks } = world.pods;
    const calls = (["settle", "tidy", "close"] as const).map((name) => vi.spyOn(networks, name));
    const second = world.open(new KnownVmImages(world.rig.docker));
    second.watch(() => undefined)();
    await second.tidy("ada");
    await second.close();
    for (const call of calls) {
      expect(call).not.toHaveBeenCalled();
      call.mockRestore();
    }
  });

  test("a processor of the host's own kind is the host's where that was seen to work, and nothing else of it is given", async () => {
    await world.runtime.prepare({ user: "ada", imageId: image });
    const made: Docker.ContainerCreateOptions[] = [];
    const refused = Object.assign(new Error("no such device"), { statusCode: 400, json: { message: "no" } });
    const docker = engineWith(world.rig.docker, (options) => {
      made.push(options);
      throw refused;
    });
    const kvm = {
      of: async () => ({ group: 104 }),
      access: { group: 104 },
      works: true,
      sweep: async () => 0,
    };
    for (const arch of ["arm64", "x64"]) {
      const runtime = world.open(new KnownVmImages(docker), { docker, kvm, arch });
      await expect(runtime.start(world.spec(image))).rejects.toThrow();
      expect([runtime.machines("linux"), runtime.machines("baremetal")]).toEqual([
        "host",
        arch === "arm64" ? "host" : "emulated",
      ]);
      await runtime.close();
    }
    const device = { PathOnHost: "/dev/kvm", PathInContainer: "/dev/kvm", CgroupPermissions: "rw" };
    expect(made.map(({ HostConfig }) => [HostConfig?.Devices, HostConfig?.GroupAdd])).toEqual([
      [[device], ["104"]],
      [[], undefined],
    ]);
    expect(made.map(({ Entrypoint }) => Entrypoint?.includes("kvm"))).toEqual([true, false]);
  });

  test("where a test machine has not booted machines are emulated, and start all the same", async () => {
    const { docker, instance } = world.rig;
    const warned: string[] = [];
    const kvm = new Kvm({
      // the image of test machines is one that starts nothing
      docker: engineWith(docker, (options) => ({ ...options, Image: world.images.busybox })),
      ...{ instance, find: () => ({}), warn: (message) => void warned.push(message) },
    });
    const runtime = world.open(new KnownVmImages(docker), { kvm, arch: "arm64" });
    expect(runtime.machines("linux")).toBeUndefined();
    expect(await runtime.missing()).toBeUndefined();
    const spec = world.spec(image, { args: ["loop"] });
    await runtime.start(spec);
    await world.until(spec.run, "ready");
    const { Args, HostConfig } = await containerOf(spec.run).inspect();
    expect([Args.includes("tcg"), HostConfig.Devices]).toEqual([true, []]);
    expect([runtime.machines("linux"), runtime.machines("baremetal")]).toEqual(["emulated", "emulated"]);
    expect(warned).toEqual([expect.stringContaining("could not be started")]);
    await runtime.remove(spec.run);
    await runtime.close();
    await kvm.close();
  });

  test("the host's virtualisation is tried when the images are there, at the agent's start or later", async () => {
    const asked: string[] = [];
    const kvm = {
      ...{ access: undefined, works: undefined, sweep: async () => 0 },
      of: async (id: string) => void asked.push(id),
    };
    let there = false;
    const found = async () => (there ? world.vm : undefined);
    const runtime = world.open({ get: found, look: found }, { kvm });
    runtime.watch(() => undefined)();
    expect(await runtime.missing()).toContain("are not there");
    expect(asked).toEqual([]);
    there = true;
    await runtime.missing();
    expect(asked).toEqual([world.vm.run]);
    runtime.watch(() => undefined)();
    while (asked.length < 2) await world.rig.tick();
    await runtime.close();
  });

  test("the command of a bundle makes the same images, and so knows them", async () => {
    const perigee = join(dirname(program("agent")), "perigee.mjs");
    const env = { ...process.env, PERIGEE_DATA: world.directory };
    const { stdout } = await promisify(execFile)(process.execPath, [perigee, "edge", "vm-images"], { env });
    const { run, build } = vmImageNames();
    expect(stdout.split("\n").slice(0, 2)).toEqual([run, build]);
  });

  test("what machines have not is refused: volumes of a baremetal program, names of images", async () => {
    const mounts = [mountOf(world.rig.volume("ada-v"))];
    await expect(start("tell", { mounts })).rejects.toBeInstanceOf(StartFailure);
    await expect(start("tell", { imageId: `sha256:${"0".repeat(64)}` })).rejects.toBeInstanceOf(ImageMissing);
    await expect(start("tell", { imageId: "busybox" })).rejects.toBeInstanceOf(ImageMissing);
    const long = { envs: { LONG: "x".repeat(2 ** 21) } };
    await expect(start("tell", long)).rejects.toThrow("too long");
  });
});
