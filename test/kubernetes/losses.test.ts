import { setTimeout as pause } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { isReady } from "#agent/pods/kubernetes/nodes.ts";
import type { Node } from "#agent/pods/kubernetes/types.ts";
import type { PodManager } from "#agent/pods/pod-manager.ts";
import { share } from "#test/support/long-run.ts";
import { endOf, type PodRig, running, stateWhere } from "#test/support/pod-rig.ts";
import { Daemons } from "./cluster/daemons.ts";
import { clusterUnderTest } from "./support/cluster-under-test.ts";
import { KubernetesRig } from "./support/kubernetes-rig.ts";
import { RunnerEdge } from "./support/runner-edge.ts";

let rig: KubernetesRig;
let pods: PodRig;
let manager: PodManager;
beforeAll(async () => {
  rig = await KubernetesRig.create();
  pods = await rig.pods();
});
// One at a time: a manager takes a run for a stranger that it has no record of.
beforeEach(async () => {
  manager = await rig.manager();
});
afterEach(async () => {
  for (const pid of paused) process.kill(pid, "SIGCONT");
  paused.clear();
  await manager?.close();
});
afterAll(() => rig?.cleanUp());

/** Longer than the agent waits for a server, and than the run that is due meanwhile. */
const OUTAGE_MS = share(60_000, 25_000);

/** Counts in its volume, so that a second start shows; then runs until it is stopped. */
const ONCE = "trap 'echo down; exit 5' TERM; echo x >> /data/count; echo up; while :; do sleep 0.1; done";

const stateOf = (run: string) => manager.reports().find((report) => report.run === run)?.state;

const RUNNERS = { timeout: 180_000, interval: 200 };

/** Lets nodes take pods, or not. */
const cordon = (nodes: readonly Node[], unschedulable: true | null) =>
  Promise.all(
    nodes.map(({ metadata }) =>
      rig.api.call(`/api/v1/nodes/${metadata.name}`, {
        method: "PATCH",
        patch: "strategic",
        body: { spec: { unschedulable } },
      }),
    ),
  );

/** processes of the cluster that a test has stopped */
const paused = new Set<number>();

/** Stops a process of the cluster. @returns what lets it go on, at the latest when the test has ended */
function pauseProcess(pid: number | undefined): () => void {
  if (pid === undefined) throw new Error("it does not run");
  process.kill(pid, "SIGSTOP");
  paused.add(pid);
  return () => {
    paused.delete(pid);
    process.kill(pid, "SIGCONT");
  };
}

// Only a cluster of our own may lose its parts.
const own = clusterUnderTest().own;
describe.runIf(own)("what a cluster may lose", () => {
  const daemons = () => new Daemons(own!.run);
  // what was seen a moment ago is told for a while
  const statuses = async () => new Set((await manager.nodes()).map(({ status }) => status));

  test("its API server for a while: what runs goes on, what was asked for happens once", async () => {
    const lives = pods.sh(manager, "bob", ONCE, { pod: "lives" });
    const stops = pods.sh(manager, "bob", ONCE, { pod: "stops" });
    await Promise.all([lives, stops].map((run) => stateWhere(manager, run, running)));
    await daemons().stop("apiserver", "now");
    const began = performance.now();
    const asked = pods.sh(manager, "bob", ONCE, { pod: "asked" });
    const scheduled = pods.sh(manager, "bob", "echo x >> /data/count", {
      pod: "scheduled",
      scheduledAt: Date.now() + 20_000,
    });
    const stopped = manager.stop("bob", "stops");
    await expect.poll(statuses, { timeout: 180_000 }).toEqual(new Set(["Unknown"]));
    expect(await manager.status("bob", "lives")).toHaveProperty("running");
    await pause(OUTAGE_MS - (performance.now() - began));
    expect(stateOf(asked)).toHaveProperty("waiting");
    await daemons().restart("apiserver");
    await stateWhere(manager, asked, running);
    await stopped;
    expect(await endOf(manager, stops)).toMatchObject({ exitCode: 5, reason: "Error" });
    expect(await endOf(manager, scheduled)).toMatchObject({ exitCode: 0 });
    expect(stateOf(lives)).toHaveProperty("running");
    for (const pod of ["lives", "stops", "asked", "scheduled"])
      expect(pods.read(`bob-${pod}`, "count")).toBe("x\n");
    await Promise.all(["lives", "asked"].map((pod) => manager.stop("bob", pod)));
  });

  test("the API server's voice: a server that takes calls and never answers holds up nothing for good", async () => {
    const lives = pods.sh(manager, "eve", ONCE, { pod: "lives" });
    await stateWhere(manager, lives, running);
    const goOn = pauseProcess(daemons().pid("apiserver"));
    await expect.poll(statuses, { timeout: 180_000 }).toEqual(new Set(["Unknown"]));
    goOn();
    await manager.stop("eve", "lives");
    expect(await endOf(manager, lives)).toMatchObject({ exitCode: 5 });
    expect(pods.read("eve-lives", "count")).toBe("x\n");
  });

  test("a node: its pods are given up and not started again; back in time they have just gone on", async () => {
    const [node] = (await manager.nodes()).filter(({ kind }) => kind === "MPU");
    const stays = pods.sh(manager, "ada", ONCE, { pod: "stays" });
    await stateWhere(manager, stays, running);
    // Another agent's.
    const other = await KubernetesRig.create();
    const hasty = await other.runtime({ nodeLostSeconds: 2 });
    const lost = other.sh(ONCE, { pod: "lost" });
    await hasty.start(lost);
    // And a job's: its agent has records of its own.
    const third = await KubernetesRig.create();
    const jobs = await third.jobs({ nodeLostSeconds: 2 });
    const job = jobs.job("echo x > /outbox/x; echo up; sleep 1000", { kind: "MPU" });
    const jobEnd = job.run();
    await job.comesTo("running");
    // And the runners of one that could take other nodes, too.
    const linux = { labels: { "kubernetes.io/os": "linux" } };
    const edge = await RunnerEdge.start(rig.api, { nodeLostSeconds: 2, kinds: { MPU: linux } });
    const others = (await rig.nodes()).filter(({ metadata }) => metadata.name !== node!.name);
    await cordon(others, true);
    await edge.want(1);
    const runner = await edge.runner();
    await expect.poll(() => edge.counted(), RUNNERS).toEqual({ idle: 1, used: 1, pods: 2 });
    await cordon(others, null);
    for (const { spec } of await edge.pods()) expect(spec.nodeName).toBe(node!.name);
    const execution = edge.client.connect(
      await edge.client.execute(runner, { command: "echo up; sleep 600" }),
    );
    await execution.until(() => execution.text("stdout") !== "");
    const number = node!.name.match(/\d+$/)?.[0];
    const pid = daemons().pid(`kubelet${number}`);
    const ready = async () =>
      isReady((await rig.nodes()).find(({ metadata }) => metadata.name === node!.name));
    const goOn = pauseProcess(pid);
    await rig.until(async () => !(await ready()));
    expect((await manager.nodes()).find(({ name }) => name === node!.name)?.status).not.toBe("True");
    const state = await rig.until(async () => {
      const found = await hasty.inspect(lost.run);
      return found && "terminated" in found && found.terminated;
    });
    expect(state).toMatchObject({ reason: "NodeLost", exitCode: 255 });
    expect(await hasty.list()).toContainEqual(expect.objectContaining({ run: lost.run, phase: "ended" }));
    expect(await other.lines(hasty, lost.run)).toEqual([]);
    await hasty.remove(lost.run);
    expect(await hasty.inspect(lost.run)).toBeUndefined();
    expect(await jobEnd).toMatchObject({ state: "failed", reason: "NodeLost", exitCode: null });
    expect(jobs.left()).toEqual({ volumes: [], kept: [] });
    expect(await execution.closed).toEqual({ code: 1000, reason: "" });
    expect(execution.end).toEqual({ type: "error", data: "Error executing the request" });
    expect((await edge.client.get(`${runner}/files`)).status).toBe(410);
    await expect.poll(() => edge.counted(), RUNNERS).toEqual({ idle: 1, used: 0, pods: 1 });
    expect(await edge.endOf(runner)).toBe("lost");
    expect((await edge.pods())[0]?.spec.nodeName).not.toBe(node!.name);
    goOn();
    await rig.until(ready);
    expect(stateOf(stays)).toHaveProperty("running");
    await manager.stop("ada", "stays");
    expect(await endOf(manager, stays)).toMatchObject({ exitCode: 5, reason: "Error" });
    expect(pods.read("ada-stays", "count")).toBe("x\n");
    await Promise.all([other.cleanUp(), third.cleanUp(), edge.close()]);
  });
});
