import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, unlinkSync, writeFileSync, writeSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { ulid } from "ulid";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PodRig } from "#test/support/pod-rig.ts";
import { type SystemCall, systemCallProgram, text } from "#test/support/system-call-program.ts";
import { heldFiles } from "./held-files.ts";
import type { DockerRuntime } from "./runtime.ts";

const MiB = 1024 * 1024;
const AT_FDCWD = -100;
const CREATE = 0o102;
const FOR_EVER: SystemCall = {
  name: "nanosleep",
  args: [Buffer.from([0xff, 0xff, 0xff, 0, 0, 0, 0, 0, ...Array(8).fill(0)]), 0],
};

describe("bytes that no name leads to", () => {
  let rig: PodRig;
  let runtime: DockerRuntime;
  beforeAll(async () => {
    rig = await PodRig.create();
    runtime = rig.runtime();
  });
  afterAll(() => rig.cleanUp());

  /** What a pod holds outside its volume, once it has said so. */
  async function held(command: string[], prepare: (volume: string) => void = () => undefined) {
    const volume = `ada-${ulid()}`.toLowerCase();
    const volumePath = rig.volume(volume);
    prepare(volumePath);
    const run = ulid();
    const user = `u${run.toLowerCase()}`;
    const mounts = [{ volume: "holder", path: volumePath, at: "/data" }];
    await runtime.start(rig.spec(command, { run, user, pod: "holder", mounts, maxMs: 3600_000 }));
    for await (const _ of runtime.logs(run, { follow: true })) break;
    const written = await runtime.written(user);
    await runtime.remove(run);
    return written;
  }

  const sh = (script: string) => ["/bin/sh", "-c", `${script}; echo ready; sleep 1000`];
  const fill = "head -c 8388608 /dev/zero";

  test.each<[what: string, script: string]>([
    ["an open file in the volume", `exec 3> /data/file; ${fill} >&3; rm /data/file`],
    ["an open file in its layer", `exec 3> /file; ${fill} >&3; rm /file`],
    [
      "a file that only a child holds",
      `${fill} > /data/file; exec 3< /data/file; sleep 1000 <&3 & exec 3<&-; rm /data/file`,
    ],
    [
      "a file that many hold",
      `${fill} > /data/file; exec 3< /data/file 4< /data/file; sleep 1000 & rm /data/file`,
    ],
    ["the engine's file of hosts", `${fill} > /etc/hosts`],
    ["the engine's file of names' servers", `${fill} > /etc/resolv.conf`],
    ["the engine's file of its name", `${fill} > /etc/hostname`],
  ])("%s are counted once", async (_, script) => {
    const { bytes, wrote } = await held(sh(script));
    expect(bytes).toBeGreaterThanOrEqual(8 * MiB);
    expect(bytes).toBeLessThan(9 * MiB);
    expect(wrote).toBeGreaterThanOrEqual(0);
  });

  test("a file that is only mapped is counted", async () => {
    const file = text("/data/file");
    const program = systemCallProgram([
      { name: "openat", args: [AT_FDCWD, file, CREATE, 0o600] },
      { name: "fallocate", args: [{ result: 0 }, 0, 0, 8 * MiB] },
      // PROT_READ and PROT_WRITE, MAP_SHARED
      { name: "mmap", args: [0, 8 * MiB, 3, 1, { result: 0 }, 0] },
      { name: "close", args: [{ result: 0 }] },
      { name: "unlinkat", args: [AT_FDCWD, file, 0] },
      { name: "write", args: [1, Buffer.from("ready\n"), 6] },
      FOR_EVER,
    ]);
    const { bytes } = await held(["/data/program"], (volume) =>
      writeFileSync(path.join(volume, "program"), program, { mode: 0o755 }),
    );
    expect(bytes).toBeGreaterThanOrEqual(8 * MiB);
    expect(bytes).toBeLessThan(9 * MiB);
  });

  test("files with names, and in memory, are not", async () => {
    const { bytes } = await held(
      sh(`exec 3> /dev/shm/file; ${fill} >&3; rm /dev/shm/file; ${fill} > /data/named`),
    );
    expect(bytes).toBeLessThan(MiB);
  });

  test("who holds more than can be looked at is over any quota", async () => {
    const directory = mkdtempSync(path.join(os.tmpdir(), "perigee-held-"));
    const file = path.join(directory, "file");
    const fd = openSync(file, "w");
    let child: ChildProcess | undefined;
    try {
      writeSync(fd, Buffer.alloc(MiB));
      unlinkSync(file);
      child = spawn("/bin/sh", ["-c", "read line"], { stdio: ["pipe", fd, fd] });
      await new Promise((resolve) => child!.once("spawn", resolve));
      expect((await heldFiles(child.pid!)).bytes).toBeGreaterThanOrEqual(MiB);
      expect((await heldFiles(child.pid!, { most: 1 })).bytes).toBe(2 ** 50);
    } finally {
      child?.kill();
      closeSync(fd);
      rmSync(directory, { recursive: true });
    }
    expect(await heldFiles(2 ** 22 + 1)).toEqual({ bytes: 0, wrote: 0 });
  });
});
