import type Docker from "dockerode";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { playedWarden } from "#test/support/played-warden.ts";
import { PodRig } from "#test/support/pod-rig.ts";
import { IMAGES_MS } from "#test/support/vm-world.ts";
import { WITHOUT_MACHINES } from "#test/support/without-machines.ts";
import { ensureVmImages } from "../../../../scripts/ensure-vm-images.ts";
import { Kvm } from "./kvm.ts";
import { findKvm, type KvmAccess } from "./kvm-access.ts";
import { startTestMachine, sweepTestMachines, TEST_MACHINE_LABEL } from "./test-machine.ts";

/** Far more than an emulated machine takes, on the slowest machine that runs tests. */
const LONG_MS = 240_000;

let rig: PodRig;
beforeAll(async () => {
  rig = await PodRig.create();
});
afterAll(() => rig?.cleanUp());

const labelled = (instance: string) =>
  rig.docker.listContainers({ all: true, filters: { label: [`${TEST_MACHINE_LABEL}=${instance}`] } });

/** Why a test machine has not booted, when its container is gone. */
async function boot(image: string, over: { kvm?: KvmAccess; bootMs?: number } = {}) {
  const { instance } = rig;
  const machine = startTestMachine(rig.docker, { instance, image, bootMs: LONG_MS, ...over });
  const failure = await machine.failure;
  await machine.gone;
  expect(await labelled(instance)).toEqual([]);
  return failure;
}

test("a machine that never ends has not booted, and its container is gone", async () => {
  const image = await playedWarden(rig, "hangs", "trap : TERM; echo here; while :; do sleep 1; done");
  expect(await boot(image, { bootMs: 3000 })).toBe("a test machine had not booted within 3 s");
});

test("one that ends with other words has not booted, and its last words are told", async () => {
  const image = await playedWarden(rig, "fails", "echo one; echo Could not access KVM >&2; exit 1");
  const failure = await boot(image);
  expect(failure).toMatch(/^a test machine ended before it had booted: /);
  expect(failure).toContain("Could not access KVM");
  expect(await boot(await playedWarden(rig, "silent", "exit 0"))).toContain("it said nothing");
});

test("a container that cannot start, or not be made, is a failure like any other", async () => {
  const without = rig.images.get("busybox")!;
  expect(await boot(without)).toMatch(/^the container of a test machine could not be started: /);
  expect(await boot(`sha256:${"0".repeat(64)}`)).toContain("could not be started: ");
});

test("an engine that does not answer says nothing of the device", async () => {
  const { instance } = rig;
  const away = { info: async () => Promise.reject(new Error("connect ECONNREFUSED")) } as unknown as Docker;
  const machine = startTestMachine(away, { instance, image: "any" });
  await expect(machine.failure).rejects.toThrow("ECONNREFUSED");
  await machine.gone;
});

test("what an agent before left is removed, and nothing of another's", async () => {
  const make = (instance: string) =>
    rig.docker.createContainer({
      ...{ Image: rig.images.get("busybox")!, Cmd: ["sleep", "1000"] },
      Labels: { [TEST_MACHINE_LABEL]: instance },
    });
  const other = await make(`${rig.instance}-other`);
  await (await make(rig.instance)).start();
  await make(rig.instance);
  expect(await sweepTestMachines(rig.docker, rig.instance)).toBe(0);
  expect(await labelled(rig.instance)).toEqual([]);
  expect(await labelled(`${rig.instance}-other`)).toHaveLength(1);
  await other.remove();
});

describe.skipIf(WITHOUT_MACHINES)("with the image that machines run in", () => {
  let image: string;
  beforeAll(async () => {
    image = (await ensureVmImages(rig.docker, () => {})).run;
  }, IMAGES_MS);

  test("an emulated machine boots", async () => {
    expect(await boot(image)).toBeUndefined();
  });

  test("one on the host's own virtualisation boots where a machine that is started by hand does, and only there", async () => {
    const found = findKvm();
    const given = typeof found === "object" ? found : {};
    const byHand = await bootsByHand(image, given);
    const failure = await boot(image, { kvm: given });
    expect(failure === undefined).toBe(byHand);
    const warned: string[] = [];
    const { docker, instance } = rig;
    const warn = (message: string) => warned.push(message);
    const kvm = new Kvm({ docker, instance, warn, bootMs: LONG_MS });
    const used = typeof found === "object" && byHand;
    expect(await kvm.of(image)).toEqual(used ? given : undefined);
    expect(kvm.works).toBe(used);
    expect(warned).toHaveLength(used || found === undefined ? 0 : 1);
    await kvm.close();
    while ((await labelled(instance)).length > 0) await rig.tick();
  });
});

/** The same accelerator by QEMU itself: does a kernel without disks say that it has none? */
async function bootsByHand(image: string, { group }: KvmAccess): Promise<boolean> {
  const own = "/usr/lib/perigee";
  const [program, board] = process.arch === "x64" ? ["x86_64", "microvm"] : ["aarch64", "virt"];
  const container = await rig.docker.createContainer({
    ...{ Image: image, User: "65534:65534" },
    Entrypoint: [
      ...[`/usr/bin/qemu-system-${program}`, "-machine", board!, "-accel", "kvm", "-cpu", "host"],
      ...["-m", "96M", "-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio"],
      ...["-kernel", `${own}/kernel`, "-initrd", `${own}/initramfs`],
      ...["-append", "quiet loglevel=0 console=tty9 panic=-1 reboot=t"],
    ],
    HostConfig: {
      ...{ NetworkMode: "none", ReadonlyRootfs: true, CapDrop: ["ALL"] },
      Devices: [{ PathOnHost: "/dev/kvm", PathInContainer: "/dev/kvm", CgroupPermissions: "rw" }],
      ...(group !== undefined && { GroupAdd: [String(group)] }),
    },
  });
  try {
    await container.start();
    await container.wait({ abortSignal: AbortSignal.timeout(LONG_MS) });
    const said = await container.logs({ stdout: true, stderr: true });
    return said.toString().includes("the machine cannot start: no start disk");
  } catch {
    return false;
  } finally {
    await container.remove({ force: true, v: true });
  }
}
