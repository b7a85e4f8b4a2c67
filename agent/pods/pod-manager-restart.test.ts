import { writeFileSync } from "node:fs";
import path from "node:path";
import { ulid } from "ulid";
import { describe, expect } from "vitest";
import { endOf, running, SERVER, stateWhere } from "#test/support/pod-rig.ts";
import { test } from "#test/support/pod-rig-test.ts";
import { mountOf } from "#test/support/run-mounts.ts";
import { Runtimes } from "./runtimes.ts";

describe.concurrent("restart", () => {
  test("a running pod is taken up again", async ({ rig }) => {
    const first = rig.manager();
    const run = rig.sh(first, "ada", `echo x >> count; ${SERVER}`);
    await rig.said(run, "up");
    await first.close();
    const second = rig.manager();
    expect(await second.status("ada", "default")).toHaveProperty("running");
    await second.stop("ada", "default");
    expect(await endOf(second, run)).toMatchObject({ exitCode: 5 });
    expect(rig.read("ada-default", "count")).toBe("x\n");
    expect(rig.lines(run)).toEqual(["up", "down"]);
  });

  test("one that ended meanwhile is found ended, by its exit code", async ({ rig }) => {
    const first = rig.manager();
    const run = rig.sh(first, "ada", "echo up; until [ -e /data/go ]; do sleep 0.02; done; exit 9");
    await rig.said(run, "up");
    await first.close();
    const container = rig.docker.getContainer(`${rig.instance}-${run.toLowerCase()}`);
    writeFileSync(path.join(rig.volume("ada-default"), "go"), "");
    await container.wait();
    expect(await endOf(rig.manager(), run)).toMatchObject({ exitCode: 9, reason: "Error" });
  });

  test("one that vanished is NodeLost, and what was pushed of its log stays", async ({ rig }) => {
    const first = rig.manager();
    const run = rig.sh(first, "ada", SERVER);
    await rig.said(run, "up");
    await first.close();
    await rig.docker.getContainer(`${rig.instance}-${run.toLowerCase()}`).remove({ force: true });
    expect(await endOf(rig.manager(), run)).toMatchObject({ reason: "NodeLost" });
    expect(rig.lines(run)).toContain("up");
  });

  test("killed before the engine heard of the start: it is started, once", async ({ rig }) => {
    const first = rig.manager({ resolveImage: () => new Promise(() => undefined) });
    const run = rig.sh(first, "ada", "echo x >> count");
    await first.close();
    const { session } = rig.runtime();
    rig.rewind(run, { phase: "starting", imageId: rig.images.get("busybox"), node: "mpu1", session });
    expect(await endOf(rig.manager(), run)).toMatchObject({ reason: "Completed" });
    expect(rig.read("ada-default", "count")).toBe("x\n");
  });

  test("the same, but the machine went down in between: never again", async ({ rig }) => {
    const first = rig.manager({ resolveImage: () => new Promise(() => undefined) });
    const run = rig.sh(first, "ada", "echo x >> count");
    await first.close();
    rig.rewind(run, {
      phase: "starting",
      imageId: rig.images.get("busybox"),
      node: "mpu1",
      session: "earlier boot",
    });
    expect(await endOf(rig.manager(), run)).toMatchObject({ reason: "NodeLost" });
    expect(await rig.containers()).toEqual([]);
  });

  test("killed after the start, before it was noted: it is found, running or ended, and not started again", async ({
    rig,
  }) => {
    const first = rig.manager();
    const live = rig.sh(first, "ada", `echo x >> count; ${SERVER}`, { pod: "live" });
    // Its output waits for contact: until then it shows as running, and the engine keeps it.
    const dead = rig.sh(first, "ada", "echo x >> count; echo out", {
      pod: "dead",
      mounts: [{ volume: "dead", at: "/data" }],
    });
    rig.contact = () => {
      throw new Error("no contact");
    };
    await stateWhere(first, live, running);
    await stateWhere(first, dead, running);
    await rig.docker.getContainer(`${rig.instance}-${dead.toLowerCase()}`).wait();
    await first.close();
    const starting = {
      phase: "starting",
      startedAt: undefined,
      deadline: undefined,
      end: undefined,
      flushed: false,
    };
    for (const run of [live, dead]) rig.rewind(run, starting);
    rig.contact = () => undefined;
    const second = rig.manager();
    expect(await endOf(second, dead)).toMatchObject({ reason: "Completed" });
    await stateWhere(second, live, running);
    await second.stop("ada", "live");
    expect(rig.read("ada-live", "count")).toBe("x\n");
    expect(rig.read("ada-dead", "count")).toBe("x\n");
  });

  test("a stop that was decided is carried out", async ({ rig }) => {
    const first = rig.manager();
    const run = rig.sh(first, "ada", SERVER);
    await rig.said(run, "up");
    await first.close();
    rig.rewind(run, { stopReason: "Evicted", stopAt: Date.now() });
    expect(await endOf(rig.manager(), run)).toMatchObject({ exitCode: 5, reason: "Evicted" });
  });

  test("a container of ours that no record knows is removed, others are not touched", async ({ rig }) => {
    const runtime = rig.runtime();
    const spec = {
      run: ulid(),
      user: "ghost",
      pod: "default",
      mounts: [mountOf(rig.volume("ghost"))],
      network: "user" as const,
      imageId: rig.images.get("busybox")!,
      node: "mpu1",
      kind: "MPU" as const,
      command: ["sleep", "1000"],
      ports: [],
      envs: {},
      maxMs: 3600_000,
      graceMs: 30_000,
    };
    const foreign = rig.runtime({ instance: `${rig.instance}-foreign`, prefix: `${rig.instance}-foreign` });
    await Promise.all([runtime.start(spec), foreign.start(spec)]);
    const gone = rig.docker.getContainer(`${rig.instance}-${spec.run.toLowerCase()}`).wait();
    rig.manager();
    await gone;
    expect(await foreign.list()).toHaveLength(1);
    await foreign.remove(spec.run);
    await foreign.tidy("ghost");
  });

  test("an engine that does not answer delays a start and loses nothing", async ({ rig }) => {
    const runtime = rig.runtime();
    const start = runtime.start.bind(runtime);
    let failures = 0;
    runtime.start = async (spec) => {
      if (failures++ < 2) throw new Error("connect ECONNREFUSED");
      return start(spec);
    };
    const manager = rig.manager({ runtimes: new Runtimes(runtime) });
    const run = rig.sh(manager, "ada", "echo x >> count");
    expect(await endOf(manager, run)).toMatchObject({ reason: "Completed" });
    expect(failures).toBe(3);
    expect(rig.read("ada-default", "count")).toBe("x\n");
  });
});
