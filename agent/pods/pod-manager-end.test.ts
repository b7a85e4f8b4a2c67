import { describe, expect } from "vitest";
import { endOf, type PodRig, SERVER } from "#test/support/pod-rig.ts";
import { test } from "#test/support/pod-rig-test.ts";
import { RunStore } from "./runs/run-store.ts";

describe.concurrent("end", () => {
  test("after max_duration: SIGTERM, then DeadlineExceeded, with all of the log", async ({ rig }) => {
    const manager = rig.manager();
    const run = rig.sh(manager, "ada", SERVER, { maxMs: 8_000 });
    expect(await endOf(manager, run)).toMatchObject({ exitCode: 5, reason: "DeadlineExceeded" });
    expect(rig.lines(run)).toEqual(["up", "down"]);
  });

  test("what ignores SIGTERM is killed after the grace", async ({ rig }) => {
    const manager = rig.manager({ graceMs: 1_000 });
    const run = rig.sh(manager, "ada", "trap '' TERM; while :; do sleep 0.05; done", { maxMs: 8_000 });
    expect(await endOf(manager, run)).toMatchObject({ exitCode: 137, reason: "DeadlineExceeded" });
  });

  test("it holds without contact, and an overdue pod is stopped at once by a starting agent", async ({
    rig,
  }) => {
    const first = rig.manager();
    const run = rig.sh(first, "ada", SERVER, { maxMs: 60_000 });
    await rig.said(run, "up");
    await first.close();
    let there = false;
    rig.contact = () => {
      if (!there) throw new Error("no contact");
    };
    const second = rig.manager({ now: () => Date.now() + 120_000, flushWaitMs: 0 });
    await stopped(rig, run);
    // Ended, but its last line is still here: it is not told yet.
    expect(await second.status("ada", "default")).toHaveProperty("running");
    there = true;
    second.contactRestored();
    expect(await endOf(second, run)).toMatchObject({ exitCode: 5, reason: "DeadlineExceeded" });
    expect(rig.lines(run)).toEqual(["up", "down"]);
  });

  test("out of memory is OOMKilled", async ({ rig }) => {
    const manager = rig.manager();
    const run = rig.sh(manager, "ada", "x=a; while :; do x=$x$x; done");
    expect(await endOf(manager, run)).toMatchObject({ reason: "OOMKilled" });
  });

  test("stop is graceful and answers when it has stopped; the state is by the exit code", async ({ rig }) => {
    const manager = rig.manager();
    const run = rig.sh(manager, "ada", SERVER);
    await rig.said(run, "up");
    await manager.stop("ada", "default");
    expect(await manager.status("ada", "default")).toMatchObject({
      terminated: { exitCode: 5, reason: "Error" },
    });
    expect(rig.lines(run)).toEqual(["up", "down"]);
  });

  test("an evicted pod that ignores SIGTERM does not write on for the whole grace", async ({ rig }) => {
    const manager = rig.manager({ graceMs: 3600_000 });
    const run = rig.sh(manager, "ada", "trap '' TERM; echo up; while :; do sleep 1; done");
    await rig.said(run, "up");
    manager.evict("ada", "disk");
    const message = expect.stringContaining("disk is full");
    expect(await endOf(manager, run)).toMatchObject({ reason: "Evicted", exitCode: 137, message });
  });

  test("evict stops the pods of that user only", async ({ rig }) => {
    const manager = rig.manager();
    const mine = rig.sh(manager, "ada", SERVER);
    const other = rig.sh(manager, "bob", SERVER);
    await Promise.all([rig.said(mine, "up"), rig.said(other, "up")]);
    manager.evict("ada", "quota");
    const message = expect.stringContaining("over the quota");
    expect(await endOf(manager, mine)).toMatchObject({ reason: "Evicted", message });
    expect(await manager.status("bob", "default")).toHaveProperty("running");
  });

  test("who may write to a volume over its size is stopped, who only reads it is not", async ({ rig }) => {
    const manager = rig.manager();
    const mounts = (pod: string, readOnly: boolean) => [
      { volume: pod, at: "/data" },
      { volume: "shared", at: "/shared", readOnly },
    ];
    const start = (pod: string, readOnly: boolean) =>
      rig.sh(manager, "ada", SERVER, { pod, mounts: mounts(pod, readOnly) });
    const [writer, reader] = [start("writer", false), start("reader", true)];
    await Promise.all([rig.said(writer, "up"), rig.said(reader, "up")]);
    expect(manager.writersOf("ada", "shared")).toEqual([writer]);
    expect(manager.writersOf("bob", "shared")).toEqual([]);
    manager.evictWriters([writer]);
    const message = expect.stringContaining("over its size");
    expect(await endOf(manager, writer)).toMatchObject({ reason: "Evicted", message });
    expect(await manager.status("ada", "reader")).toHaveProperty("running");
  });

  async function stopped(rig: PodRig, run: string): Promise<void> {
    const name = `${rig.instance}-${run.toLowerCase()}`;
    await rig.docker.getContainer(name).wait();
    const store = new RunStore(rig.db);
    while (store.load().find((record) => record.run === run)?.phase !== "ended") await rig.tick();
  }
});
