import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import Docker from "dockerode";
import { ulid } from "ulid";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { collectBy } from "#agent/images/handover/collect-command.ts";
import type { NeededImage } from "#agent/images/handover/image-handover.ts";
import { RegistryHandover } from "#agent/images/handover/registry-handover.ts";
import { clusterUnderTest } from "./support/cluster-under-test.ts";
import { KubernetesRig } from "./support/kubernetes-rig.ts";
import { testCluster } from "./support/test-cluster.ts";

const { own } = clusterUnderTest();
const docker = new Docker();
const password = own && readFileSync(own.passwordFile, "utf8").trim();
const mark = ulid().toLowerCase();
const made: string[] = [];

/** An image of its own: the test image and a layer of `bytes` that nothing compresses. */
async function imageOf(name: string, bytes: number): Promise<string> {
  const container = await docker.createContainer({
    Image: testCluster().image.id,
    Cmd: ["sh", "-c", `dd if=/dev/urandom of=/filling bs=1024 count=${bytes / 1024} 2>/dev/null`],
    NetworkDisabled: true,
  });
  try {
    await container.start();
    await container.wait();
    const repo = `perigee-test/${name}-${mark}`;
    made.push(`${repo}:latest`);
    return (await container.commit({ repo, tag: "latest", changes: ["CMD sh"] })).Id;
  } finally {
    await container.remove({ force: true });
  }
}

/** Bytes of all blobs in the registry's storage. */
function stored(directory = join(own!.storage, "docker/registry/v2/blobs")): number {
  let sum = 0;
  for (const entry of readdirSync(directory, { withFileTypes: true, recursive: true })) {
    if (entry.isFile()) sum += statSync(join(entry.parentPath, entry.name)).size;
  }
  return sum;
}

afterAll(async () => {
  for (const name of made) await docker.getImage(name).remove({ force: true });
});

describe.skipIf(!own)("the registry of the throwaway cluster", () => {
  let rig: KubernetesRig;
  beforeAll(async () => {
    rig = await KubernetesRig.create();
  });
  afterAll(() => rig?.cleanUp());

  /** Status of a request to one of the sides. */
  const ask = async (address: string, method: string, path: string, credentials?: string) => {
    const headers = credentials && { authorization: `Basic ${Buffer.from(credentials).toString("base64")}` };
    const signal = AbortSignal.timeout(10_000);
    return (await fetch(`http://${address}/v2/${path}`, { method, ...(headers && { headers }), signal }))
      .status;
  };

  test("lets nobody in without a password, and nobody at one side with that of the other", async () => {
    for (const address of [own!.push, own!.pull]) expect(await ask(address, "GET", "")).toBe(401);
    expect(await ask(own!.push, "GET", "", password)).toBe(200);
    expect(await ask(own!.pull, "GET", "", password)).toBe(401);
    expect(await ask(own!.push, "POST", "x/blobs/uploads/")).toBe(401);
    expect(await ask(own!.pull, "POST", "x/blobs/uploads/")).toBe(401);
  });

  test("is out of the reach of pods, both sides", async () => {
    const runtime = await rig.runtime();
    const [, pushPort] = own!.push.split(":");
    const [host, pullPort] = own!.pull.split(":");
    const targets = [`${host} ${pullPort}`, `${host} ${pushPort}`];
    const script = targets
      .map((target) => `nc -w 2 ${target} </dev/null >/dev/null 2>&1 && echo "OPEN ${target}" || echo shut`)
      .join("; ");
    for (const kind of ["GPU", "MPU"] as const) {
      const run = rig.sh(script, { kind, pod: `reach-${kind.toLowerCase()}` });
      await runtime.start(run);
      expect(await rig.lines(runtime, run.run)).toEqual(["shut", "shut"]);
    }
  });
});

describe.skipIf(!own)("the handover to a real registry", () => {
  let rig: KubernetesRig;
  let database: DatabaseSync;
  let handover: RegistryHandover;
  const named = new Set<string>();
  const needed = (imageId: string): NeededImage => ({ user: "ada", imageId });
  beforeEach(async () => {
    rig = await KubernetesRig.create();
    database = new DatabaseSync(":memory:");
    handover = new RegistryHandover({
      docker,
      database,
      instance: mark,
      pull: own!.pull,
      push: own!.push,
      password: password!,
      maxBytes: 1024 ** 3,
      collectAt: 0,
      collect: (signal) => collectBy(own!.collect, signal),
      repositoryOf: async ({ imageId }) => (named.has(imageId) ? `ada-${mark}` : undefined),
      isInUse: () => false,
    });
  });
  afterEach(async () => {
    named.clear();
    await handover.keepUp([]);
    await handover.close();
    database.close();
    await rig.cleanUp();
  });

  test("gives back the bytes of what has no name any more, and what shares layers still runs", async () => {
    const megabyte = 1024 ** 2;
    const [going, staying] = [await imageOf("going", 8 * megabyte), await imageOf("staying", megabyte)];
    for (const id of [going, staying]) named.add(id);
    await handover.reference(needed(going));
    const before = stored();
    const reference = await handover.reference(needed(staying));
    named.delete(going);
    await handover.keepUp([]);
    expect(stored()).toBeLessThan(before - 6 * megabyte);

    const runtime = await rig.runtime({
      images: { reference: async () => reference },
      workdir: async () => "",
    });
    const run = rig.sh("wc -c < /filling", { imageId: staying, pod: "staying" });
    await runtime.start(run);
    expect(await rig.lines(runtime, run.run)).toEqual([String(megabyte)]);
  });

  test("brings back what was collected, whole, when it is needed again", async () => {
    const id = await imageOf("back", 512 * 1024);
    named.add(id);
    const first = await handover.reference(needed(id));
    named.delete(id);
    await handover.keepUp([]);
    named.add(id);
    const again = await handover.reference(needed(id));
    expect(again).toBe(first);

    const runtime = await rig.runtime({ images: { reference: async () => again }, workdir: async () => "" });
    const run = rig.sh("wc -c < /filling", { imageId: id, pod: "back" });
    await runtime.start(run);
    expect(await rig.lines(runtime, run.run)).toEqual([String(512 * 1024)]);
  });
});
