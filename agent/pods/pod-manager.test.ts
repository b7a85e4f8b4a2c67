import { writeFileSync } from "node:fs";
import path from "node:path";
import { ulid } from "ulid";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MiB } from "#protocol/limits.ts";
import { LOG_CHUNK_BYTES } from "#protocol/wire.ts";
import { ended, endOf, PodRig, running, stateWhere, waitingFor } from "#test/support/pod-rig.ts";
import { mountOf } from "#test/support/run-mounts.ts";
import { LABEL } from "./labels.ts";
import type { PodManager } from "./pod-manager.ts";
import { RunStore } from "./runs/run-store.ts";

let rig: PodRig;
beforeEach(async () => {
  rig = await PodRig.create();
});
afterEach(async () => {
  await rig.cleanUp();
});

/** Says "up", then runs until SIGTERM, which it answers with exit code 5. */
const SERVER = "trap 'echo down; exit 5' TERM; echo up; while :; do sleep 0.05; done";

const containers = () =>
  rig.docker.listContainers({ all: true, filters: { label: [`${LABEL.instance}=${rig.instance}`] } });

/** The database still says what it said before an operation whose answer got lost. */
function rewind(run: string, change: Record<string, unknown>): void {
  const { state } = rig.db.prepare("SELECT state FROM pod_runs WHERE run = ?").get(run) as { state: string };
  const text = JSON.stringify({ ...JSON.parse(state), ...change });
  rig.db.prepare("UPDATE pod_runs SET state = ? WHERE run = ?").run(text, run);
}

async function said(run: string, line: string): Promise<void> {
  while (!rig.lines(run).includes(line)) await rig.landed();
}

describe("run", () => {
  test("writes its volume, ends as Completed, and its log is there by then; nothing is left behind", async () => {
    const manager = rig.manager({ startWaitMs: 0 });
    const run = rig.sh(manager, "ada", "pwd; echo err >&2; echo hello > out.txt");
    expect(await manager.status("ada", "default")).toEqual({ waiting: { reason: "ContainerCreating" } });
    const end = await endOf(manager, run);
    expect(end, end.message).toMatchObject({ exitCode: 0, reason: "Completed" });
    expect(rig.lines(run).sort()).toEqual(["/data", "err"]);
    expect(rig.read("ada-default", "out.txt")).toBe("hello\n");
    expect(await manager.status("ada", "default")).toEqual({ terminated: end });
    await rig.settled();
    expect(await containers()).toEqual([]);
    expect(rig.errors).toEqual([]);
  });

  test.each([
    ["waits for that", 60_000, { running: { startedAt: expect.any(String) } }],
    ["but not for long", 1, { waiting: { reason: "ContainerCreating" } }],
  ])("a status asked for while the engine starts the pod %s", async (_, startWaitMs, expected) => {
    const runtime = rig.runtime();
    const gate = Promise.withResolvers<void>();
    const start = runtime.start.bind(runtime);
    runtime.start = async (spec) => {
      await gate.promise;
      return start(spec);
    };
    const manager = rig.manager({ runtime, startWaitMs });
    rig.sh(manager, "ada", SERVER);
    const state = manager.status("ada", "default");
    if (startWaitMs > 1) gate.resolve();
    expect(await state).toEqual(expected);
    gate.resolve();
  });

  test("a name never run is POD_NOT_FOUND, another user's too", async () => {
    const manager = rig.manager();
    rig.sh(manager, "ada", "true");
    await expect(manager.status("bob", "default")).rejects.toMatchObject({ code: "POD_NOT_FOUND" });
    await expect(manager.stop("bob", "default")).rejects.toMatchObject({ code: "POD_NOT_FOUND" });
    await expect(manager.status("ada", "other")).rejects.toMatchObject({ code: "POD_NOT_FOUND" });
  });

  test("the same run accepted twice runs once", async () => {
    const manager = rig.manager();
    const run = rig.sh(manager, "ada", "echo x >> count");
    const input = manager.reports().length;
    manager.accept({
      id: run,
      user: "ada",
      volumes: { second: rig.volume("x") },
      input: rig.input({ pod: "second" }),
    });
    expect(manager.reports()).toHaveLength(input);
    await endOf(manager, run);
    expect(rig.read("ada-default", "count")).toBe("x\n");
  });

  test("that is not to take the place of a name is refused until that pod has terminated", async () => {
    const manager = rig.manager();
    const refuse = { onSameName: "refuse" as const };
    const first = rig.sh(manager, "ada", SERVER, refuse);
    expect(() => rig.sh(manager, "ada", "true", refuse)).toThrow(
      expect.objectContaining({ code: "POD_EXISTS" }),
    );
    await stateWhere(manager, first, running);
    expect(() => rig.sh(manager, "ada", "true", refuse)).toThrow("has not terminated");
    rig.sh(manager, "bob", "true", refuse);
    await manager.stop("ada", "default");
    const second = rig.sh(manager, "ada", "true", refuse);
    expect(await endOf(manager, second)).toMatchObject({ reason: "Completed" });
    const waiting = rig.sh(manager, "ada", "true", { ...refuse, scheduledAt: Date.now() + 3600_000 });
    expect(() => rig.sh(manager, "ada", "true", refuse)).toThrow("has not terminated");
    expect(manager.has(waiting)).toBe(true);
  });

  test.each([
    ["a provider that the edge does not have", { provider: "qemu" }],
    ["an end for being idle", { idleMs: 1_000 }],
  ])("%s is refused, and nothing is recorded", (_, over) => {
    const manager = rig.manager();
    expect(() => rig.sh(manager, "ada", "true", over)).toThrow(
      expect.objectContaining({ code: "NOT_SUPPORTED" }),
    );
    expect(manager.reports()).toEqual([]);
  });

  test("with a provider, a node and no end of its own: runs there until it is stopped", async () => {
    const manager = rig.manager();
    const over = { provider: "docker", kind: undefined, node: "fpga", maxMs: undefined };
    const run = rig.sh(manager, "ada", SERVER, over);
    await stateWhere(manager, run, running);
    expect(manager.reports().at(-1)).toMatchObject({ node: "fpga" });
    await manager.stop("ada", "default");
    expect(await endOf(manager, run)).toMatchObject({ exitCode: 5 });
  });

  test("a command that cannot start ends as StartError with 128", async () => {
    const manager = rig.manager();
    const end = await endOf(manager, rig.run(manager, "ada", { command: ["/nope"] }));
    expect(end).toMatchObject({ exitCode: 128, reason: "StartError", startedAt: null });
    expect(end.message).toContain("/nope");
    expect(end.message).not.toContain(rig.directory);
  });

  test("twenty at once, of several users, all end well and each with its own log", async () => {
    const manager = rig.manager();
    const runs = Array.from({ length: 20 }, (_, n) =>
      rig.sh(manager, `user${n % 3}`, `echo number ${n}`, { pod: `pod-${n}` }),
    );
    const ends = await Promise.all(runs.map((run) => endOf(manager, run)));
    expect(new Set(ends.map(({ reason }) => reason))).toEqual(new Set(["Completed"]));
    for (const [n, run] of runs.entries()) expect(rig.lines(run)).toEqual([`number ${n}`]);
  });

  test("too many runs that have not ended are refused, too many that run wait", async () => {
    const manager = rig.manager({ runningPerUser: 1, openPerUser: 2 });
    const first = rig.sh(manager, "ada", SERVER, { pod: "one" });
    await stateWhere(manager, first, running);
    const second = rig.sh(manager, "ada", "true", { pod: "two" });
    await stateWhere(manager, second, waitingFor("Unschedulable"));
    expect(() => rig.sh(manager, "ada", "true", { pod: "three" })).toThrow("have not terminated");
    await manager.stop("ada", "one");
    expect(await endOf(manager, second)).toMatchObject({ reason: "Completed" });
  });
});

test("an image is needed until the run has started with it, and no longer", async () => {
  const manager = rig.manager({ runningPerUser: 1 });
  const imageId = rig.images.get("busybox")!;
  const first = rig.sh(manager, "ada", SERVER, { pod: "one" });
  await stateWhere(manager, first, running);
  expect(manager.needsImage("ada", imageId)).toBe(false);
  const second = rig.sh(manager, "ada", "true", { pod: "two" });
  await stateWhere(manager, second, waitingFor("Unschedulable"));
  expect(manager.needsImage("ada", imageId)).toBe(true);
  expect(manager.needsImage("bob", imageId)).toBe(false);
  await manager.stop("ada", "one");
  await endOf(manager, second);
  expect(manager.needsImage("ada", imageId)).toBe(false);
});

describe("waiting", () => {
  test("an image that is not there shows as ImagePullBackOff, and starts once it is", async () => {
    const manager = rig.manager();
    const run = rig.sh(manager, "client1", "echo found", { image: "echo-test12" });
    expect(await stateWhere(manager, run, waitingFor("ImagePullBackOff"))).toEqual({
      waiting: {
        message:
          'Back-off pulling image "client1-echo-test12": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image "docker.io/library/client1-echo-test12:latest": failed to resolve reference "docker.io/library/client1-echo-test12:latest": docker.io/library/client1-echo-test12:latest: not found',
        reason: "ImagePullBackOff",
      },
    });
    expect(manager.isImageInUse("client1", "echo-test12", "latest")).toBe(true);
    rig.images.set("echo-test12", rig.images.get("busybox")!);
    manager.imagesChanged();
    expect(await endOf(manager, run)).toMatchObject({ reason: "Completed" });
    expect(manager.isImageInUse("client1", "echo-test12", "latest")).toBe(false);
  });

  test("it is looked for no longer than max_duration, also over a restart", async () => {
    const first = rig.manager();
    const run = rig.sh(first, "ada", "true", { image: "never", maxMs: 800 });
    await stateWhere(first, run, waitingFor("ImagePullBackOff"));
    await first.close();
    const second = rig.manager();
    expect(await endOf(second, run)).toMatchObject({ reason: "DeadlineExceeded", startedAt: null });
  });

  test("a node that is not ready, or a kind that there is none of, is Unschedulable", async () => {
    const manager = rig.manager();
    const run = rig.sh(manager, "ada", "true", { kind: "GPU" });
    const state = await stateWhere(manager, run, waitingFor("Unschedulable"));
    expect(state).toMatchObject({
      waiting: { message: expect.stringMatching(/^0\/4 nodes are available: 1 node/) },
    });
    await manager.stop("ada", "default");
    expect(await manager.status("ada", "default")).toMatchObject({ terminated: { reason: "Cancelled" } });
  });

  test("pods spread over the nodes of a kind", async () => {
    const manager = rig.manager();
    const runs = ["a", "b"].map((pod) => rig.sh(manager, "ada", SERVER, { pod }));
    await Promise.all(runs.map((run) => stateWhere(manager, run, running)));
    const nodes = manager.reports().map(({ node }) => node);
    expect(nodes.sort()).toEqual(["mpu1", "mpu2"]);
  });
});

describe("schedule", () => {
  test("a scheduled run says when, starts then, and survives a restart", async () => {
    const first = rig.manager();
    const at = Date.now() + 6_000;
    const run = rig.sh(first, "ada", "true", { scheduledAt: at });
    const when = new Date(Math.floor(at / 1000) * 1000).toISOString().replace(".000Z", "Z");
    expect(await first.status("ada", "default")).toEqual({
      waiting: { reason: "Scheduled", message: `Scheduled to start at ${when}` },
    });
    expect(first.isVolumeInUse("ada", "default")).toBe(true);
    await first.close();
    const second = rig.manager();
    const end = await endOf(second, run);
    expect(end.reason).toBe("Completed");
    expect(Date.parse(end.startedAt!)).toBeGreaterThanOrEqual(Math.floor(at / 1000) * 1000);
    expect(second.isVolumeInUse("ada", "default")).toBe(false);
  });

  test("one whose time passed while the agent was off starts at once", async () => {
    const first = rig.manager();
    const run = rig.sh(first, "ada", "true", { scheduledAt: Date.now() + 60_000 });
    await first.close();
    const second = rig.manager({ now: () => Date.now() + 120_000 });
    expect(await endOf(second, run)).toMatchObject({ reason: "Completed" });
  });

  test("stopping it before its time cancels it", async () => {
    const manager = rig.manager();
    const run = rig.sh(manager, "ada", "true", { scheduledAt: Date.now() + 3600_000 });
    await manager.stop("ada", "default");
    expect(await endOf(manager, run)).toMatchObject({
      reason: "Cancelled",
      startedAt: null,
      finishedAt: null,
    });
    await manager.stop("ada", "default");
  });
});

describe("replacement", () => {
  test("a second run stops the first gracefully, is ContainerCreating meanwhile, and is what status shows", async () => {
    const manager = rig.manager();
    const first = rig.sh(manager, "ada", SERVER);
    await said(first, "up");
    const second = rig.sh(manager, "ada", SERVER);
    expect(await manager.status("ada", "default")).toEqual({ waiting: { reason: "ContainerCreating" } });
    await stateWhere(manager, second, running);
    expect(await endOf(manager, first)).toMatchObject({ exitCode: 5, reason: "Error" });
    expect(rig.lines(first)).toEqual(["up", "down"]);
    expect(await manager.status("ada", "default")).toHaveProperty("running");
  });

  test("a merely scheduled one leaves the first running and replaces it when its time comes", async () => {
    const manager = rig.manager();
    const first = rig.sh(manager, "ada", SERVER);
    await said(first, "up");
    const second = rig.sh(manager, "ada", "echo second", { scheduledAt: Date.now() + 5_000 });
    expect(await manager.status("ada", "default")).toHaveProperty("waiting.reason", "Scheduled");
    expect(manager.reports().find(({ run }) => run === first)?.state).toHaveProperty("running");
    expect(await endOf(manager, second)).toMatchObject({ reason: "Completed" });
    expect(await endOf(manager, first)).toMatchObject({ exitCode: 5 });
  });

  test("one that cannot start yet leaves the first running", async () => {
    const manager = rig.manager();
    const first = rig.sh(manager, "ada", SERVER);
    await said(first, "up");
    const second = rig.sh(manager, "ada", "true", { image: "missing" });
    await stateWhere(manager, second, waitingFor("ImagePullBackOff"));
    expect(manager.reports().find(({ run }) => run === first)?.state).toHaveProperty("running");
  });

  test("an unstarted run of that name is dropped; the one that ran before is kept", async () => {
    const manager = rig.manager();
    const first = rig.sh(manager, "ada", "echo first");
    await endOf(manager, first);
    const dropped = rig.sh(manager, "ada", "echo never >> never", { scheduledAt: Date.now() + 3600_000 });
    const told = stateWhere(manager, dropped, ended);
    const third = rig.sh(manager, "ada", "echo third");
    expect(await told).toMatchObject({ terminated: { reason: "Cancelled" } });
    await endOf(manager, third);
    await rig.settled();
    expect(manager.reports().map(({ run }) => run)).toEqual([first, third]);
  });
});

describe("end", () => {
  test("after max_duration: SIGTERM, then DeadlineExceeded, with all of the log", async () => {
    const manager = rig.manager();
    const run = rig.sh(manager, "ada", SERVER, { maxMs: 1_000 });
    expect(await endOf(manager, run)).toMatchObject({ exitCode: 5, reason: "DeadlineExceeded" });
    expect(rig.lines(run)).toEqual(["up", "down"]);
  });

  test("what ignores SIGTERM is killed after the grace", async () => {
    const manager = rig.manager({ graceMs: 1_000 });
    const run = rig.sh(manager, "ada", "trap '' TERM; while :; do sleep 0.05; done", { maxMs: 500 });
    expect(await endOf(manager, run)).toMatchObject({ exitCode: 137, reason: "DeadlineExceeded" });
  });

  test("it holds without contact, and an overdue pod is stopped at once by a starting agent", async () => {
    const first = rig.manager();
    const run = rig.sh(first, "ada", SERVER, { maxMs: 60_000 });
    await said(run, "up");
    await first.close();
    let there = false;
    rig.contact = () => {
      if (!there) throw new Error("no contact");
    };
    const second = rig.manager({ now: () => Date.now() + 120_000, flushWaitMs: 0 });
    await stopped(run);
    // Ended, but its last line is still here: it is not told yet.
    expect(await second.status("ada", "default")).toHaveProperty("running");
    there = true;
    second.contactRestored();
    expect(await endOf(second, run)).toMatchObject({ exitCode: 5, reason: "DeadlineExceeded" });
    expect(rig.lines(run)).toEqual(["up", "down"]);
  });

  test("out of memory is OOMKilled", async () => {
    const manager = rig.manager();
    const run = rig.sh(manager, "ada", "x=a; while :; do x=$x$x; done");
    expect(await endOf(manager, run)).toMatchObject({ reason: "OOMKilled" });
  });

  test("stop is graceful and answers when it has stopped; the state is by the exit code", async () => {
    const manager = rig.manager();
    const run = rig.sh(manager, "ada", SERVER);
    await said(run, "up");
    await manager.stop("ada", "default");
    expect(await manager.status("ada", "default")).toMatchObject({
      terminated: { exitCode: 5, reason: "Error" },
    });
    expect(rig.lines(run)).toEqual(["up", "down"]);
  });

  test("an evicted pod that ignores SIGTERM does not write on for the whole grace", async () => {
    const manager = rig.manager({ graceMs: 3600_000 });
    const run = rig.sh(manager, "ada", "trap '' TERM; echo up; while :; do sleep 1; done");
    await said(run, "up");
    manager.evict("ada", "disk");
    const message = expect.stringContaining("disk is full");
    expect(await endOf(manager, run)).toMatchObject({ reason: "Evicted", exitCode: 137, message });
  });

  test("evict stops the pods of that user only", async () => {
    const manager = rig.manager();
    const mine = rig.sh(manager, "ada", SERVER);
    const other = rig.sh(manager, "bob", SERVER);
    await Promise.all([said(mine, "up"), said(other, "up")]);
    manager.evict("ada", "quota");
    const message = expect.stringContaining("over the quota");
    expect(await endOf(manager, mine)).toMatchObject({ reason: "Evicted", message });
    expect(await manager.status("bob", "default")).toHaveProperty("running");
  });

  async function stopped(run: string): Promise<void> {
    const name = `${rig.instance}-${run.toLowerCase()}`;
    await rig.docker.getContainer(name).wait();
    const store = new RunStore(rig.db);
    while (store.load().find((record) => record.run === run)?.phase !== "ended") await rig.tick();
  }
});

describe("restart", () => {
  test("a running pod is taken up again", async () => {
    const first = rig.manager();
    const run = rig.sh(first, "ada", `echo x >> count; ${SERVER}`);
    await said(run, "up");
    await first.close();
    const second = rig.manager();
    expect(await second.status("ada", "default")).toHaveProperty("running");
    await second.stop("ada", "default");
    expect(await endOf(second, run)).toMatchObject({ exitCode: 5 });
    expect(rig.read("ada-default", "count")).toBe("x\n");
    expect(rig.lines(run)).toEqual(["up", "down"]);
  });

  test("one that ended meanwhile is found ended, by its exit code", async () => {
    const first = rig.manager();
    const run = rig.sh(first, "ada", "echo up; until [ -e /data/go ]; do sleep 0.02; done; exit 9");
    await said(run, "up");
    await first.close();
    const container = rig.docker.getContainer(`${rig.instance}-${run.toLowerCase()}`);
    writeFileSync(path.join(rig.volume("ada-default"), "go"), "");
    await container.wait();
    expect(await endOf(rig.manager(), run)).toMatchObject({ exitCode: 9, reason: "Error" });
  });

  test("one that vanished is NodeLost, and what was pushed of its log stays", async () => {
    const first = rig.manager();
    const run = rig.sh(first, "ada", SERVER);
    await said(run, "up");
    await first.close();
    await rig.docker.getContainer(`${rig.instance}-${run.toLowerCase()}`).remove({ force: true });
    expect(await endOf(rig.manager(), run)).toMatchObject({ reason: "NodeLost" });
    expect(rig.lines(run)).toContain("up");
  });

  test("killed before the engine heard of the start: it is started, once", async () => {
    const first = rig.manager({ resolveImage: () => new Promise(() => undefined) });
    const run = rig.sh(first, "ada", "echo x >> count");
    await first.close();
    const { session } = rig.runtime();
    rewind(run, { phase: "starting", imageId: rig.images.get("busybox"), node: "mpu1", session });
    expect(await endOf(rig.manager(), run)).toMatchObject({ reason: "Completed" });
    expect(rig.read("ada-default", "count")).toBe("x\n");
  });

  test("the same, but the machine went down in between: never again", async () => {
    const first = rig.manager({ resolveImage: () => new Promise(() => undefined) });
    const run = rig.sh(first, "ada", "echo x >> count");
    await first.close();
    rewind(run, {
      phase: "starting",
      imageId: rig.images.get("busybox"),
      node: "mpu1",
      session: "earlier boot",
    });
    expect(await endOf(rig.manager(), run)).toMatchObject({ reason: "NodeLost" });
    expect(await containers()).toEqual([]);
  });

  test("killed after the start, before it was noted: it is found, running or ended, and not started again", async () => {
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
    for (const run of [live, dead]) rewind(run, starting);
    rig.contact = () => undefined;
    const second = rig.manager();
    expect(await endOf(second, dead)).toMatchObject({ reason: "Completed" });
    await stateWhere(second, live, running);
    await second.stop("ada", "live");
    expect(rig.read("ada-live", "count")).toBe("x\n");
    expect(rig.read("ada-dead", "count")).toBe("x\n");
  });

  test("a stop that was decided is carried out", async () => {
    const first = rig.manager();
    const run = rig.sh(first, "ada", SERVER);
    await said(run, "up");
    await first.close();
    rewind(run, { stopReason: "Evicted", stopAt: Date.now() });
    expect(await endOf(rig.manager(), run)).toMatchObject({ exitCode: 5, reason: "Evicted" });
  });

  test("a container of ours that no record knows is removed, others are not touched", async () => {
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

  test("an engine that does not answer delays a start and loses nothing", async () => {
    const runtime = rig.runtime();
    const start = runtime.start.bind(runtime);
    let failures = 0;
    runtime.start = async (spec) => {
      if (failures++ < 2) throw new Error("connect ECONNREFUSED");
      return start(spec);
    };
    const manager = rig.manager({ runtime });
    const run = rig.sh(manager, "ada", "echo x >> count");
    expect(await endOf(manager, run)).toMatchObject({ reason: "Completed" });
    expect(failures).toBe(3);
    expect(rig.read("ada-default", "count")).toBe("x\n");
  });
});

describe("logs", () => {
  test("an agent restart in the middle neither loses nor doubles lines", async () => {
    const script =
      "n=0; while [ $n -lt 400 ]; do echo line $n; n=$((n+1)); [ $((n%20)) = 0 ] && sleep 0.05; done";
    const first = rig.manager({ logFlushMs: 20 });
    const run = rig.sh(first, "ada", script);
    await rig.landed();
    await first.close();
    const second = rig.manager({ logFlushMs: 20 });
    await rig.landed();
    await second.close();
    await endOf(rig.manager({ logFlushMs: 20 }), run);
    expect(rig.lines(run)).toEqual(Array.from({ length: 400 }, (_, n) => `line ${n}`));
  });

  test("a payload that floods its log is stopped in time, and other logs get through", async () => {
    const manager = rig.manager();
    const flood = rig.sh(manager, "mallory", "yes flooooooooooooooooooood", { maxMs: 2_000 });
    await stateWhere(manager, flood, running);
    const quiet = rig.sh(manager, "ada", "echo quiet");
    expect(await endOf(manager, quiet)).toMatchObject({ reason: "Completed" });
    expect(rig.lines(quiet)).toEqual(["quiet"]);
    expect(await endOf(manager, flood)).toMatchObject({ reason: "DeadlineExceeded" });
    const sizes = rig.chunks.filter(({ run }) => run === flood).map(({ data }) => data.length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(LOG_CHUNK_BYTES);
    // What the engine keeps (10 MiB as JSON), and what was followed live before.
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(64 * MiB);
  });

  test("at most so many ended runs of a user wait; the oldest logs beyond are given up", async () => {
    let there = false;
    rig.contact = () => {
      if (!there) throw new Error("no contact");
    };
    const manager = rig.manager({ unpushedPerUser: 2 });
    const runs = ["a", "b", "c", "d"].map((pod) => rig.sh(manager, "ada", `echo ${pod}`, { pod }));
    const given = await firstTwo(manager, runs);
    there = true;
    manager.contactRestored();
    await Promise.all(runs.map((run) => endOf(manager, run)));
    const kept = runs.filter((run) => !given.includes(run));
    expect(kept.flatMap((run) => rig.lines(run))).toHaveLength(2);
    expect(given.flatMap((run) => rig.lines(run))).toEqual([]);
  });

  async function firstTwo(manager: PodManager, runs: string[]): Promise<string[]> {
    const over = () =>
      manager
        .reports()
        .filter(({ state }) => "terminated" in state)
        .map(({ run }) => run);
    while (over().length < 2) await rig.tick();
    return runs.filter((run) => over().includes(run));
  }
});
