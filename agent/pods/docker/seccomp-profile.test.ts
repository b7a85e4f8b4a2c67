import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PodRig } from "#test/support/pod-rig.ts";
import { resultsOf, type SystemCall, systemCallProgram } from "#test/support/system-call-program.ts";
import { SECCOMP_PROFILE, seccompProfile } from "./seccomp-profile.ts";

const EPERM = -1;
const ENOSYS = -38;

describe("seccompProfile", () => {
  const amd64 = "x86_64";
  test.each<[info: { SecurityOptions?: string[]; Architecture?: string }, ours: boolean]>([
    [{ SecurityOptions: ["name=apparmor", "name=seccomp,profile=default"], Architecture: amd64 }, true],
    [{ SecurityOptions: ["name=seccomp,profile=builtin", "name=cgroupns"], Architecture: "aarch64" }, true],
    [{ SecurityOptions: ["name=seccomp,profile=/etc/docker/own.json"], Architecture: amd64 }, false],
    [{ SecurityOptions: ["name=apparmor"], Architecture: amd64 }, false],
    [{ SecurityOptions: ["name=seccomp,profile=default"], Architecture: "riscv64" }, false],
    [{}, false],
  ])("of an engine with %j: ours %s", (info, ours) => {
    expect(seccompProfile(info)).toBe(ours ? SECCOMP_PROFILE : undefined);
  });
});

describe("a payload's system calls", () => {
  let rig: PodRig;
  beforeAll(async () => {
    rig = await PodRig.create();
  });
  afterAll(() => rig.cleanUp());

  /** Makes the calls in a pod; what they returned. */
  async function results(calls: SystemCall[]): Promise<number[]> {
    const directory = rig.volume("ada-calls");
    writeFileSync(path.join(directory, "program"), systemCallProgram(calls));
    chmodSync(path.join(directory, "program"), 0o755);
    const runtime = rig.runtime();
    const mounts = [{ volume: "calls", path: directory, at: "/data" }];
    // until it has ended; it says nothing
    await rig.say(runtime, rig.spec(["/data/program"], { pod: "calls", mounts, maxMs: 3600_000 }));
    return resultsOf(readFileSync(path.join(directory, "results")));
  }

  test("open sockets of the usual kinds and no others, and no new namespace", async () => {
    const socket = (family: number, type = 1): SystemCall => ({ name: "socket", args: [family, type, 0] });
    const CLONE_NEWUSER = 0x10000000;
    const SIGCHLD = 17;
    const found = await results([
      socket(1),
      socket(2),
      socket(10),
      socket(16, 3),
      // AF_VSOCK, also with bits that the kernel does not read
      socket(40),
      socket(40, 2),
      socket(0x1_0000_0000 + 40),
      // AF_ALG, AF_TIPC, AF_BLUETOOTH, AF_XDP, AF_PACKET
      ...[38, 30, 31, 44, 17].map((family) => socket(family, 3)),
      { name: "io_uring_setup", args: [1, Buffer.alloc(120)] },
      { name: "clone", args: [CLONE_NEWUSER + SIGCHLD, 0, 0, 0, 0] },
      // CLONE_VM, CLONE_SIGHAND and CLONE_THREAD without CLONE_FILES; CLOSE_RANGE_UNSHARE
      { name: "clone", args: [0x10900, 0, 0, 0, 0] },
      { name: "close_range", args: [100, 200, 2] },
      { name: "clone3", args: [Buffer.alloc(64), 64] },
      { name: "close_range", args: [100, 200, 0] },
    ]);
    expect(
      found.slice(0, 4).every((fd) => fd > 2),
      `${found}`,
    ).toBe(true);
    expect(found.slice(4, 18)).toEqual([...Array.from({ length: 12 }, () => EPERM), ENOSYS, 0]);
  });
});
