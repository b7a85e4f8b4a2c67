import type Docker from "dockerode";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { engineWith, withoutDevices } from "#test/support/engine-with.ts";
import { playedWarden } from "#test/support/played-warden.ts";
import { PodRig } from "#test/support/pod-rig.ts";
import { Kvm, type KvmOptions } from "./kvm.ts";
import { TEST_MACHINE_LABEL } from "./test-machine.ts";

let rig: PodRig;
/** its first process says what a guest says that has booted */
let boots: string;
let hangs: string;
/** counts the containers that were made; this machine may have no such device */
let engine: Docker;
let made = 0;
beforeAll(async () => {
  rig = await PodRig.create();
  boots = await playedWarden(rig, "boots", "echo the machine cannot start: unknown start disk");
  hangs = await playedWarden(rig, "hangs", "while :; do sleep 1; done");
  engine = engineWith(rig.docker, (options) => {
    made += 1;
    return withoutDevices(options);
  });
});
afterEach(async () => {
  while ((await left()).length > 0) await rig.tick();
});
afterAll(() => rig?.cleanUp());

function open(over: Partial<KvmOptions> = {}) {
  made = 0;
  const warned: string[] = [];
  const known: (boolean | undefined)[] = [];
  const warn = (message: string) => void warned.push(message);
  const { instance } = rig;
  const kvm = new Kvm({
    docker: engine,
    instance,
    warn,
    find: () => ({ group: 104 }),
    bootMs: 60_000,
    ...over,
  });
  kvm.onKnown(() => known.push(kvm.works));
  return { kvm, warned, known };
}

const left = () =>
  rig.docker.listContainers({ all: true, filters: { label: [`${TEST_MACHINE_LABEL}=${rig.instance}`] } });

test("all who ask share one test machine, and there is one for each image", async () => {
  const { kvm, warned, known } = open();
  expect([kvm.works, kvm.access]).toEqual([undefined, undefined]);
  const asked = await Promise.all([kvm.of(boots), kvm.of(boots), kvm.of(boots)]);
  expect(asked).toEqual([{ group: 104 }, { group: 104 }, { group: 104 }]);
  expect(await kvm.of(boots)).toEqual({ group: 104 });
  expect([kvm.works, kvm.access]).toEqual([true, { group: 104 }]);
  expect([made, known, warned]).toEqual([1, [true], []]);
  expect(await kvm.of(rig.images.get("busybox")!)).toBeUndefined();
  expect([made, known]).toEqual([2, [true, false]]);
  expect(kvm.access).toBeUndefined();
  await kvm.close();
});

test("one that has not booted in time is told once, and machines are emulated", async () => {
  const { kvm, warned, known } = open({ bootMs: 1000 });
  expect(await Promise.all([kvm.of(hangs), kvm.of(hangs)])).toEqual([undefined, undefined]);
  expect(await kvm.of(hangs)).toBeUndefined();
  expect([made, known, kvm.works]).toEqual([1, [false], false]);
  expect(warned).toEqual([
    "machines are emulated, without /dev/kvm: a test machine had not booted within 1 s",
  ]);
  await kvm.close();
});

test.for<[string, Partial<KvmOptions>, number]>([
  ["there is no device", { find: () => undefined }, 0],
  ["the operator leaves it out", { wanted: false }, 0],
  ["it is root's alone", { find: () => "no group may read and write /dev/kvm" }, 1],
])("nothing is started where %s", async ([, over, warnings]) => {
  const { kvm, warned, known } = open(over);
  expect(await kvm.of(boots)).toBeUndefined();
  expect([made, known, warned.length]).toEqual([0, [false], warnings]);
  await kvm.close();
});

test("a silent engine is no answer: the next who asks has another machine started", async () => {
  let away = true;
  const docker = engineWith(rig.docker, (options) => {
    if (away) throw new Error("connect ECONNREFUSED");
    return withoutDevices(options);
  });
  const { kvm, warned, known } = open({ docker });
  expect(await kvm.of(boots)).toBeUndefined();
  expect([kvm.works, known, warned]).toEqual([undefined, [], []]);
  away = false;
  expect(await kvm.of(boots)).toEqual({ group: 104 });
  await kvm.close();
});

test("a removal that hangs holds nobody, and while its container is there no other is started", async () => {
  const stuck: Docker = Object.create(engine);
  // as the engine is with a process that cannot be killed
  stuck.getContainer = (id: string) => {
    const container = rig.docker.getContainer(id);
    container.remove = async () => {
      throw Object.assign(new Error("could not kill container"), { statusCode: 500 });
    };
    return container;
  };
  const machine = await rig.docker.createContainer({
    ...{ Image: hangs, Cmd: ["sleep", "1000"] },
    Labels: { [TEST_MACHINE_LABEL]: rig.instance },
  });
  const { kvm, warned } = open({ docker: stuck });
  expect(await kvm.of(boots)).toBeUndefined();
  expect(made).toBe(0);
  expect(warned).toEqual([expect.stringContaining("a test machine of before cannot be removed")]);
  await kvm.close();
  const later = open();
  expect(await later.kvm.of(boots)).toEqual({ group: 104 });
  await later.kvm.close();
  await expect(machine.inspect()).rejects.toMatchObject({ statusCode: 404 });
});

test("the answer does not wait for a removal that gets no answer, nor does the end", async () => {
  const docker: Docker = Object.create(rig.docker);
  let remove = async () => {};
  docker.createContainer = (async (options: Docker.ContainerCreateOptions) => {
    const container = await rig.docker.createContainer(withoutDevices(options));
    const real = container.remove.bind(container);
    remove = async () => void (await real({ force: true }));
    container.remove = () => new Promise(() => {});
    return container;
  }) as Docker["createContainer"];
  const { kvm, known } = open({ docker });
  expect(await kvm.of(boots)).toEqual({ group: 104 });
  expect(known).toEqual([true]);
  await kvm.close();
  await remove();
});
