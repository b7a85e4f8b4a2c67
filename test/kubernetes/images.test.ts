import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import Docker from "dockerode";
import { ulid } from "ulid";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readConfig } from "#agent/config.ts";
import { openHandover } from "#agent/images/handover/open-handover.ts";
import type { RegistryHandover } from "#agent/images/handover/registry-handover.ts";
import type { KubernetesRuntime } from "#agent/pods/kubernetes/runtime.ts";
import { type RunSpec, StartFailure } from "#agent/pods/pod-runtime.ts";
import { mountOf } from "#test/support/run-mounts.ts";
import { clusterUnderTest } from "./support/cluster-under-test.ts";
import { KubernetesRig } from "./support/kubernetes-rig.ts";
import { linkedImage } from "./support/linked-image.ts";
import { testCluster } from "./support/test-cluster.ts";

/** Images of hostile users, on nodes that run them without what a Docker engine puts over them. */
const docker = new Docker();
const mark = ulid().toLowerCase();
const made: string[] = [];
let rig: KubernetesRig;
let database: DatabaseSync;
let handover: RegistryHandover;
let runtime: KubernetesRuntime;
beforeAll(async () => {
  rig = await KubernetesRig.create();
  database = new DatabaseSync(":memory:");
  handover = openHandover(readConfig(clusterUnderTest().agentConfig).imageRegistry!, {
    docker,
    database,
    instance: mark,
    freeFloorBytes: 0,
    repositoryOf: async () => `ada-${mark}`,
    isInUse: () => true,
  });
  const workdir = async (id: string) => (await docker.getImage(id).inspect()).Config.WorkingDir;
  runtime = await rig.runtime({ images: handover, workdir });
});
afterAll(async () => {
  await handover.close();
  database.close();
  await rig?.cleanUp();
  for (const name of made) await docker.getImage(name).remove({ force: true });
});

const image = (name: string, what: Parameters<typeof linkedImage>[3]) => {
  const repo = `perigee-test/${name}-${mark}`;
  made.push(`${repo}:latest`);
  return linkedImage(docker, testCluster().image.id, repo, what);
};
const said = async (run: RunSpec) => {
  await runtime.start(run);
  return rig.lines(runtime, run.run);
};
const ended = (run: string) =>
  rig.until(async () => {
    const state = await runtime.inspect(run);
    return state && "terminated" in state && state.terminated;
  });

describe("an image with links where nodes mount something", () => {
  test.each(["dev", "proc", "sys", "etc", "data"])(
    "at /%s: nothing is touched on the node",
    async (place) => {
      const victim = rig.volume(`victim-${place}`);
      const theirs = ["ptmx", "hosts", "null", "shm", "kept"];
      for (const name of theirs) writeFileSync(`${victim}/${name}`, name);
      const imageId = await image(`node-${place}`, { links: { [place]: victim } });
      const volumePath = rig.volume(`ada-${place}`);
      const run = rig.sh(
        "test -c /dev/null && echo devices; grep -q . /proc/1/stat && echo processes; echo x > /data/x",
        {
          imageId,
          pod: `node-${place}`,
          mounts: [mountOf(volumePath, place)],
        },
      );
      expect(await said(run)).toEqual(["devices", "processes"]);
      expect(readdirSync(victim).sort()).toEqual([...theirs].sort());
      for (const name of theirs) expect(readFileSync(`${victim}/${name}`, "utf8")).toBe(name);
      expect(readdirSync(volumePath)).toEqual(["x"]);
    },
  );

  test.each([
    ["dev", "/data/dev"],
    ["etc", "/data"],
    ["etc", "data/etc"],
    ["data", "/dev"],
    ["data", "/etc"],
    ["data", "/proc"],
  ])("%s -> %s: the volume holds what the payload wrote, and no more", async (place, target) => {
    const imageId = await image(`${place}-${target.replaceAll("/", "")}`, { links: { [place]: target } });
    const name = `own-${mark.slice(-6)}-${place}-${target.replaceAll("/", "")}`;
    const volumePath = rig.volume(name);
    mkdirSync(`${volumePath}/dev`, { recursive: true });
    await said(rig.sh("echo x > /data/x", { imageId, pod: "own", mounts: [mountOf(volumePath, name)] }));
    expect(readdirSync(volumePath).sort()).toEqual(["dev", "x"]);
    expect(readdirSync(`${volumePath}/dev`)).toEqual([]);
  });
});

describe("an image with VOLUMEs", () => {
  test("beneath /data: they are the user's volume, before and after", async () => {
    const changes = ["VOLUME /data/results", "VOLUME data/deep/er", "VOLUME /data"];
    const imageId = await image("beneath", { changes });
    const volumePath = rig.volume("ada-beneath");
    mkdirSync(`${volumePath}/results`);
    writeFileSync(`${volumePath}/results/in.txt`, "input");
    const run = rig.sh("ls /data /data/results; echo 42 > /data/results/out.txt", {
      imageId,
      pod: "beneath",
      mounts: [mountOf(volumePath, "beneath")],
    });
    expect(await said(run)).toEqual(["/data:", "results", "", "/data/results:", "in.txt"]);
    expect(readFileSync(`${volumePath}/results/out.txt`, "utf8")).toBe("42\n");
    expect(readdirSync(volumePath)).toEqual(["results"]);
  });

  test("that a link leads into /data: the user's files are seen", async () => {
    const imageId = await image("into", { links: { v: "/data" }, changes: ["VOLUME /v", "VOLUME /v/x"] });
    const volumePath = rig.volume("ada-into");
    const run = rig.sh("echo 42 > /v/out.txt; ls /data", {
      imageId,
      pod: "into",
      mounts: [mountOf(volumePath, "into")],
    });
    expect(await said(run)).toEqual(["out.txt"]);
    expect(readdirSync(volumePath)).toEqual(["out.txt"]);
  });

  test("elsewhere: its own files are there, and what is written counts", async () => {
    const imageId = await image("elsewhere", { changes: ["VOLUME /bin", "VOLUME /cache/", "VOLUME /dev"] });
    const run = rig.sh(
      "test -x /bin/busybox && test -c /dev/null && echo there; mkdir -p /cache; dd if=/dev/zero of=/cache/big bs=1M count=100 2>/dev/null; sleep 1000",
      { imageId, pod: "elsewhere" },
    );
    await runtime.start(run);
    expect(await ended(run.run)).toMatchObject({ reason: "Evicted" });
  });
});

test("an image's STOPSIGNAL is not asked for: a stop is SIGTERM", async () => {
  const container = await docker.createContainer({ Image: testCluster().image.id, StopSignal: "SIGUSR1" });
  const repo = `perigee-test/signal-${mark}`;
  const { Id } = (await container.commit({ repo, tag: "latest" })) as { Id: string };
  made.push(`${repo}:latest`);
  await container.remove();
  const run = rig.sh(
    "trap 'echo TERM; exit 5' TERM; trap 'exit 6' USR1; echo up; while :; do sleep 0.1; done",
    {
      imageId: Id,
      pod: "signal",
    },
  );
  await runtime.start(run);
  await rig.until(async () => {
    for await (const { text } of runtime.logs(run.run, { follow: false }))
      if (`${text}` === "up") return true;
    return false;
  });
  await runtime.stop(run.run, 30_000);
  expect(await ended(run.run)).toMatchObject({ exitCode: 5 });
});

test.each([
  ["/bin/busybox", "is a file"],
  ["/bin/busybox/x", "lies in a file"],
])("an image whose WORKDIR %s %s: StartError", async (workdir) => {
  const imageId = await image(`workdir-${workdir.length}`, { changes: [`WORKDIR ${workdir}`] });
  const run = rig.sh("true", { imageId, pod: "workdir" });
  await expect(runtime.start(run)).rejects.toBeInstanceOf(StartFailure);
});
