import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { NotStartedYet } from "#agent/pods/pod-runtime.ts";
import { KubernetesRig } from "./support/kubernetes-rig.ts";
import { testCluster } from "./support/test-cluster.ts";

let rig: KubernetesRig;
beforeAll(async () => {
  rig = await KubernetesRig.create();
});
afterAll(() => rig?.cleanUp());

const patchNode = (name: string, body: object, part = "") =>
  rig.api.call(`/api/v1/nodes/${name}${part}`, { method: "PATCH", patch: "strategic", body });

describe("nodes", () => {
  test("a run goes to a node with the labels of its kind, and its node is told", async () => {
    const runtime = await rig.runtime();
    const nodes = await runtime.nodes();
    for (const kind of ["FPGA", "MPU"] as const) {
      const run = rig.sh("true", { kind, pod: kind.toLowerCase() });
      const { node } = await runtime.start(run);
      expect(nodes).toContainEqual({ name: node, kind, status: "True" });
      expect((await rig.pod(run.run)).spec.nodeName).toBe(node);
      const labels = (await rig.nodes()).find(({ metadata }) => metadata.name === node)?.metadata.labels;
      expect(labels).toMatchObject(testCluster().kinds[kind]!.labels);
    }
  });

  test("several nodes of one kind are one target; a cordoned one takes none, and says so", async () => {
    const names = (await rig.nodes()).map(({ metadata }) => metadata.name).sort();
    expect(names.length).toBeGreaterThan(1);
    const [cordoned, ...others] = names as [string, ...string[]];
    const everywhere = await rig.runtime({ kinds: { MPU: { labels: { "kubernetes.io/os": "linux" } } } });
    const status = async () => new Map((await everywhere.nodes()).map(({ name, status }) => [name, status]));
    expect([...(await status())]).toEqual(names.map((name) => [name, "True"]));
    await patchNode(cordoned, { spec: { unschedulable: true } });
    try {
      await rig.until(async () => (await status()).get(cordoned) === "False");
      for (const name of others) expect((await status()).get(name)).toBe("True");
      for (const pod of ["one", "two", "three"]) {
        const { node } = await everywhere.start(rig.sh("true", { pod }));
        expect(others).toContain(node);
      }
    } finally {
      await patchNode(cordoned, { spec: { unschedulable: null } });
    }
    await rig.until(async () => (await status()).get(cordoned) === "True");
  });

  test("a device is one pod's: the next waits for it, and starts when it is free", async () => {
    const [node] = (await (await rig.runtime()).nodes()).filter(({ kind }) => kind === "FPGA");
    const device = `perigee.test/${rig.instance}`;
    await patchNode(node!.name, { status: { capacity: { [device]: "1" } } }, "/status");
    try {
      const kind = { ...testCluster().kinds.FPGA!, resources: { [device]: 1 } };
      const runtime = await rig.runtime({ kinds: { FPGA: kind } });
      const first = rig.sh("sleep 1000", { kind: "FPGA", pod: "first", user: "dev" });
      const second = rig.sh("echo mine", { kind: "FPGA", pod: "second", user: "dev" });
      await rig.until(() =>
        runtime.start(first).catch((error) => error instanceof NotStartedYet && undefined),
      );
      await expect(runtime.start(second)).rejects.toMatchObject({
        reason: "Unschedulable",
        message: expect.stringContaining(`Insufficient ${device}`),
      });
      await runtime.remove(first.run);
      await rig.until(() =>
        runtime.start(second).catch((error) => error instanceof NotStartedYet && undefined),
      );
      expect(await rig.lines(runtime, second.run)).toEqual(["mine"]);
    } finally {
      await patchNode(node!.name, { status: { capacity: { [device]: null } } }, "/status");
    }
  });
});
