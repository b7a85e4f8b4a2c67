import { setTimeout as pause } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { isReady } from "#agent/pods/kubernetes/nodes.ts";
import type { PodManager } from "#agent/pods/pod-manager.ts";
import { endOf, type PodRig, running, stateWhere } from "#test/support/pod-rig.ts";
import { Daemons } from "./cluster/daemons.ts";
import { clusterUnderTest } from "./support/cluster-under-test.ts";
import { KubernetesRig } from "./support/kubernetes-rig.ts";

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

/** Counts in its volume, so that a second start shows; then runs until it is stopped. */
const ONCE = "trap 'echo down; exit 5' TERM; echo x >> /data/count; echo up; while :; do sleep 0.1; done";

const until = async (done: () => boolean) => {
  while (!done()) await pods.tick();
};
const stateOf = (run: string) => manager.reports().find((report) => report.run === run)?.state;

describe("the manager on a cluster", () => {
  test("a run's log is whole when it has ended, nothing is left, and a second run replaces the first", async () => {
    const first = pods.sh(manager, "ada", ONCE, { pod: "twice" });
    await stateWhere(manager, first, running);
    const second = pods.sh(manager, "ada", "echo second", { pod: "twice" });
    expect(await endOf(manager, first)).toMatchObject({ exitCode: 5, reason: "Error" });
    expect(await endOf(manager, second)).toMatchObject({ exitCode: 0, reason: "Completed" });
    expect(pods.lines(first)).toEqual(["up", "down"]);
    expect(pods.lines(second)).toEqual(["second"]);
    await pods.settled();
    const { items } = await rig.api.list("/api/v1/pods", { labelSelector: rig.names.selector });
    expect(items).toEqual([]);
  });

  test("max_duration: SIGTERM, then DeadlineExceeded, with all of the log", async () => {
    await manager.close();
    manager = await rig.manager();
    const run = pods.sh(manager, "ada", ONCE, { pod: "late", maxMs: 2_000 });
    expect(await endOf(manager, run)).toMatchObject({ exitCode: 5, reason: "DeadlineExceeded" });
    expect(pods.lines(run)).toEqual(["up", "down"]);
  });

  test("an agent that restarts takes up what runs, and loses and doubles no line", async () => {
    const run = pods.sh(manager, "ada", "for i in $(seq 40); do echo line $i; sleep 0.1; done", {
      pod: "lines",
    });
    await until(() => pods.lines(run).includes("line 10"));
    await manager.close();
    manager = await rig.manager();
    expect(await endOf(manager, run)).toMatchObject({ exitCode: 0 });
    expect(pods.lines(run)).toEqual(Array.from({ length: 40 }, (_, i) => `line ${i + 1}`));
  });

  test("a pod that was deleted by hand has terminated, and is not made again", async () => {
    const run = pods.sh(manager, "ada", ONCE, { pod: "byhand" });
    await stateWhere(manager, run, running);
    const { metadata } = await rig.pod(run);
    await rig.api.call(`/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}`, {
      method: "DELETE",
    });
    expect(await endOf(manager, run)).toMatchObject({ exitCode: 5, reason: "Error" });
    await pods.settled();
    expect(pods.read("ada-byhand", "count")).toBe("x\n");
  });

  test.each(["running", "ended", "deleted by hand"] as const)(
    "killed after the start, before it was noted: it is found (%s), and not started again",
    async (then) => {
      const pod = `noted-${then.replace(/ .*/, "")}`;
      const script = then === "ended" ? "echo x >> /data/count; echo up" : ONCE;
      const run = pods.sh(manager, "ada", script, { pod });
      await stateWhere(manager, run, running);
      await manager.close();
      forgetStart(run);
      if (then === "deleted by hand") {
        const { metadata } = await rig.pod(run);
        const path = `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}`;
        await rig.api.call(path, { method: "DELETE" });
      }
      manager = await rig.manager();
      if (then === "running") {
        await stateWhere(manager, run, running);
        await manager.stop("ada", pod);
      }
      const end = await endOf(manager, run);
      expect(end).toMatchObject(then === "ended" ? { exitCode: 0 } : { exitCode: 5, reason: "Error" });
      expect(pods.read(`ada-${pod}`, "count")).toBe("x\n");
    },
  );

  test("a pod that went without a trace is NodeLost, and not started again", async () => {
    const run = pods.sh(manager, "ada", ONCE, { pod: "traceless" });
    await stateWhere(manager, run, running);
    const { metadata } = await rig.pod(run);
    const path = `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}`;
    const body = { metadata: { finalizers: null } };
    await rig.api.call(path, { method: "PATCH", patch: "merge", body });
    await rig.api.call(path, { method: "DELETE", body: { gracePeriodSeconds: 0 } });
    expect(await endOf(manager, run)).toMatchObject({ reason: "NodeLost" });
    expect(pods.read("ada-traceless", "count")).toBe("x\n");
  });
});

/** The database says again what it said before the start was noted. */
function forgetStart(run: string): void {
  const { state } = pods.db.prepare("SELECT state FROM pod_runs WHERE run = ?").get(run) as { state: string };
  const { startedAt: _, deadline: __, ...record } = JSON.parse(state);
  const text = JSON.stringify({ ...record, phase: "starting" });
  pods.db.prepare("UPDATE pod_runs SET state = ? WHERE run = ?").run(text, run);
}

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

  test("its API server for a minute: what runs goes on, what was asked for happens once", async () => {
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
    await pause(60_000 - (performance.now() - began));
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
    goOn();
    await rig.until(ready);
    expect(stateOf(stays)).toHaveProperty("running");
    await manager.stop("ada", "stays");
    expect(await endOf(manager, stays)).toMatchObject({ exitCode: 5, reason: "Error" });
    expect(pods.read("ada-stays", "count")).toBe("x\n");
    await other.cleanUp();
  });
});
