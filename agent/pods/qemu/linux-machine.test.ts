import { chmodSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MiB } from "#protocol/limits.ts";
import { DISK_FILE } from "#protocol/volume-create.ts";
import { mountOf } from "#test/support/run-mounts.ts";
import { tarOf } from "#test/support/tar-of.ts";
import { IMAGES_MS, VmWorld } from "#test/support/vm-world.ts";
import { WITHOUT_MACHINES } from "#test/support/without-machines.ts";
import { StartFailure } from "../pod-runtime.ts";
import { KnownVmImages } from "./images/known-vm-images.ts";
import { VolumeDisks } from "./volume-disks.ts";

/** Counts its starts in its volume, and tells them to who connects, until SIGTERM. */
const PROGRAM = `
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void over(int signal) { (void)signal; static const char bye[] = "bye"; (void)!write(1, bye, 3); _exit(5); }

int main(int argc, char **argv)
{
	char text[200] = "", cwd[200], line[300];
	FILE *file = fopen("/data/starts", "r");
	if (file) { (void)!fread(text, 1, sizeof text - 10, file); fclose(file); }
	strcat(text, "x");
	file = fopen("/data/starts", "w");
	if (!file || fputs(text, file) < 0 || fclose(file)) perror("/data");
	printf("%s in %s, %s\\n", argc > 1 ? argv[1] : "", getcwd(cwd, sizeof cwd), getenv("GREETING"));
	printf("%s\\n", fopen("/app/new", "w") ? "written" : "read-only");
	signal(SIGTERM, over);
	int server = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(8080) };
	setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(server, (struct sockaddr *)&at, sizeof at) || listen(server, 8)) perror("listen");
	puts("ready");
	fflush(stdout);
	for (;;) {
		int client = accept(server, 0, 0);
		snprintf(line, sizeof line, "starts %s\\n", text);
		(void)!write(client, line, strlen(line));
		close(client);
	}
}
`;

describe.skipIf(WITHOUT_MACHINES)("machines with a Linux kernel", () => {
  let world: VmWorld;
  let image: string;
  beforeAll(async () => {
    world = await VmWorld.create();
    image = await world.compile(
      { "main.c": PROGRAM },
      { base: "linux", language: "c", mountPoints: ["/data"], args: "'an argument'" },
    );
  }, IMAGES_MS);
  afterAll(() => world?.tearDown());

  async function disk(name: string): Promise<string> {
    const volume = world.rig.volume(name);
    const { docker, instance } = world.rig;
    const disks = new VolumeDisks({ docker, instance, images: new KnownVmImages(docker) });
    const to = join(volume, DISK_FILE);
    const tar = Readable.from(tarOf([{ name: "starts", content: "made", mode: 0o644 }]));
    const signal = AbortSignal.timeout(60_000);
    await disks.make({ kind: "ext2", files: { tar, bytes: 4096 }, to, signal, assertRoom: () => undefined });
    chmodSync(to, 0o666);
    return volume;
  }

  test("a program reads and writes its volume, answers the user's pods, ends when it is told, and starts again", async () => {
    const mounts = [mountOf(await disk("ada-disk"), "disk")];
    const start = async () => {
      const spec = world.spec(image, {
        ...{ pod: "server", mounts, ports: [8080], envs: { GREETING: "héllo" }, graceMs: 10_000 },
        limits: { memoryBytes: 96 * MiB },
      });
      await world.runtime.start(spec);
      await world.until(spec.run, "ready");
      return spec.run;
    };
    const ask = async () => {
      const address =
        "a=$(nslookup server 2>/dev/null | sed -n '/^Name/,$s/^Address[^:]*: *//p' | head -n 1)";
      const client = world.rig.spec(["/bin/sh", "-c", `${address}; nc -w 20 $a 8080 </dev/null`]);
      return world.rig.say(world.pods, client);
    };
    const first = await start();
    expect(await ask()).toEqual(["starts madex"]);
    await world.runtime.stop(first, 10_000);
    expect(await world.said(first)).toEqual(["an argument in /app, héllo", "read-only", "ready", "bye"]);
    expect(await world.end(first)).toMatchObject({ terminated: { exitCode: 5, reason: "Error" } });
    await world.runtime.remove(first);
    const second = await start();
    expect(await ask()).toEqual(["starts madexx"]);
    await world.runtime.stop(second, 0);
    expect(await world.end(second)).toMatchObject({ terminated: { exitCode: 137 } });
  });

  test("mount points are directories of the disk, also where the user's own Dockerfile makes none", async () => {
    const files = { Dockerfile: `FROM ${world.images.busybox}\n` };
    const over = { base: "linux", language: "native", mountPoints: ["/some/where"] };
    const id = await world.compile(files, over);
    await world.runtime.prepare({ user: "ada", imageId: id });
    const made = join(world.directory, "images", id.replace("sha256:", ""));
    const look = "debugfs -R 'stat /some/where' /volume/root.img 2>&1 | grep -q 'Type: directory'";
    await world.inTools(look, made);
  });

  test("a program that ends its machine by a panic of the kernel has failed", async () => {
    const script = "echo c > /proc/sysrq-trigger; sleep 1000";
    const files = {
      Dockerfile: `FROM ${world.images.busybox}\nENTRYPOINT ${JSON.stringify(["sh", "-c", script])}\n`,
    };
    const spec = world.spec(await world.compile(files, { base: "linux", language: "native" }));
    await world.runtime.start(spec);
    expect(await world.end(spec.run)).toMatchObject({ terminated: { exitCode: 255, reason: "VMFailed" } });
  });

  test("a volume without a file system of ours starts nothing, and is named", async () => {
    const mounts = [mountOf(world.rig.volume("ada-none"), "none")];
    const failure = await world.runtime.start(world.spec(image, { mounts })).catch((error) => error);
    expect(failure).toBeInstanceOf(StartFailure);
    expect(failure.message).toBe("the volume none at /data is no disk with ext2 or FAT");
  });
});
