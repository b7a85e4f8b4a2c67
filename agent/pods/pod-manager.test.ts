import { describe, expect } from "vitest";
import { share } from "#test/support/long-run.ts";
import { endOf, running, SERVER, stateWhere, waitingFor } from "#test/support/pod-rig.ts";
import { test } from "#test/support/pod-rig-test.ts";
import { Runtimes } from "./runtimes.ts";

describe.concurrent("run", () => {
  test("writes its volume, ends as Completed, and its log is there by then; nothing is left behind", async ({
    rig,
  }) => {
    const manager = rig.manager({ startWaitMs: 0 });
    const run = rig.sh(manager, "ada", "pwd; echo err >&2; echo hello > out.txt");
    expect(await manager.status("ada", "default")).toEqual({ waiting: { reason: "ContainerCreating" } });
    const end = await endOf(manager, run);
    expect(end, end.message).toMatchObject({ exitCode: 0, reason: "Completed" });
    expect(rig.lines(run).sort()).toEqual(["/data", "err"]);
    expect(rig.read("ada-default", "out.txt")).toBe("hello\n");
    expect(await manager.status("ada", "default")).toEqual({ terminated: end });
    await rig.settled();
    expect(await rig.containers()).toEqual([]);
    expect(rig.errors).toEqual([]);
  });

  test.for([
    ["waits for that", 60_000, { running: { startedAt: expect.any(String) } }],
    ["but not for long", 1, { waiting: { reason: "ContainerCreating" } }],
  ] as const)("a status asked for while the engine starts the pod %s", async (one, { rig }) => {
    const [, startWaitMs, expected] = one;
    const runtime = rig.runtime();
    const gate = Promise.withResolvers<void>();
    const start = runtime.start.bind(runtime);
    runtime.start = async (spec) => {
      await gate.promise;
      return start(spec);
    };
    const manager = rig.manager({ runtimes: new Runtimes(runtime), startWaitMs });
    rig.sh(manager, "ada", SERVER);
    const state = manager.status("ada", "default");
    if (startWaitMs > 1) gate.resolve();
    expect(await state).toEqual(expected);
    gate.resolve();
  });

  test("a name never run is POD_NOT_FOUND, another user's too", async ({ rig }) => {
    const manager = rig.manager();
    rig.sh(manager, "ada", "true");
    await expect(manager.status("bob", "default")).rejects.toMatchObject({ code: "POD_NOT_FOUND" });
    await expect(manager.stop("bob", "default")).rejects.toMatchObject({ code: "POD_NOT_FOUND" });
    await expect(manager.status("ada", "other")).rejects.toMatchObject({ code: "POD_NOT_FOUND" });
  });

  test("the same run accepted twice runs once", async ({ rig }) => {
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

  test("that is not to take the place of a name is refused until that pod has terminated", async ({
    rig,
  }) => {
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

  test.for([
    ["a provider that the edge does not have", { provider: "qemu" }],
    ["an end for being idle", { idleMs: 1_000 }],
  ] as const)("%s is refused, and nothing is recorded", ([, over], { rig }) => {
    const manager = rig.manager();
    expect(() => rig.sh(manager, "ada", "true", over)).toThrow(
      expect.objectContaining({ code: "NOT_SUPPORTED" }),
    );
    expect(manager.reports()).toEqual([]);
  });

  test("with a provider, a node and no end of its own: runs there until it is stopped", async ({ rig }) => {
    const manager = rig.manager();
    const over = { provider: "docker", kind: undefined, node: "fpga", maxMs: undefined };
    const run = rig.sh(manager, "ada", SERVER, over);
    await stateWhere(manager, run, running);
    expect(manager.reports().at(-1)).toMatchObject({ node: "fpga" });
    await manager.stop("ada", "default");
    expect(await endOf(manager, run)).toMatchObject({ exitCode: 5 });
  });

  test("a command that cannot start ends as StartError with 128", async ({ rig }) => {
    const manager = rig.manager();
    const end = await endOf(manager, rig.run(manager, "ada", { command: ["/nope"] }));
    expect(end).toMatchObject({ exitCode: 128, reason: "StartError", startedAt: null });
    expect(end.message).toContain("/nope");
    expect(end.message).not.toContain(rig.directory);
  });

  test("many at once, of several users, all end well and each with its own log", async ({ rig }) => {
    const manager = rig.manager();
    const runs = Array.from({ length: share(20, 8) }, (_, n) =>
      rig.sh(manager, `user${n % 3}`, `echo number ${n}`, { pod: `pod-${n}` }),
    );
    const ends = await Promise.all(runs.map((run) => endOf(manager, run)));
    expect(new Set(ends.map(({ reason }) => reason))).toEqual(new Set(["Completed"]));
    for (const [n, run] of runs.entries()) expect(rig.lines(run)).toEqual([`number ${n}`]);
  });

  test("too many runs that have not ended are refused, too many that run wait", async ({ rig }) => {
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

test.concurrent("an image is needed until the run has started with it, and no longer", async ({ rig }) => {
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
