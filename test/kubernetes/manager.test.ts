import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { PodManager } from "#agent/pods/pod-manager.ts";
import { endOf, type PodRig, running, stateWhere } from "#test/support/pod-rig.ts";
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
afterEach(() => manager?.close());
afterAll(() => rig?.cleanUp());

/** Counts in its volume, so that a second start shows; then runs until it is stopped. */
const ONCE = "trap 'echo down; exit 5' TERM; echo x >> /data/count; echo up; while :; do sleep 0.1; done";

const until = async (done: () => boolean) => {
  while (!done()) await pods.tick();
};

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
