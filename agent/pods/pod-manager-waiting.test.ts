import { describe, expect } from "vitest";
import { ended, endOf, running, SERVER, stateWhere, waitingFor } from "#test/support/pod-rig.ts";
import { test } from "#test/support/pod-rig-test.ts";

describe.concurrent("waiting", () => {
  test("an image that is not there shows as ImagePullBackOff, and starts once it is", async ({ rig }) => {
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

  test("it is looked for no longer than max_duration, also over a restart", async ({ rig }) => {
    const first = rig.manager();
    const run = rig.sh(first, "ada", "true", { image: "never", maxMs: 800 });
    await stateWhere(first, run, waitingFor("ImagePullBackOff"));
    await first.close();
    const second = rig.manager();
    expect(await endOf(second, run)).toMatchObject({ reason: "DeadlineExceeded", startedAt: null });
  });

  test("a node that is not ready, or a kind that there is none of, is Unschedulable", async ({ rig }) => {
    const manager = rig.manager();
    const run = rig.sh(manager, "ada", "true", { kind: "GPU" });
    const state = await stateWhere(manager, run, waitingFor("Unschedulable"));
    expect(state).toMatchObject({
      waiting: { message: expect.stringMatching(/^0\/4 nodes are available: 1 node/) },
    });
    await manager.stop("ada", "default");
    expect(await manager.status("ada", "default")).toMatchObject({ terminated: { reason: "Cancelled" } });
  });

  test("pods spread over the nodes of a kind", async ({ rig }) => {
    const manager = rig.manager();
    const runs = ["a", "b"].map((pod) => rig.sh(manager, "ada", SERVER, { pod }));
    await Promise.all(runs.map((run) => stateWhere(manager, run, running)));
    const nodes = manager.reports().map(({ node }) => node);
    expect(nodes.sort()).toEqual(["mpu1", "mpu2"]);
  });
});

describe.concurrent("schedule", () => {
  test("a scheduled run says when, starts then, and survives a restart", async ({ rig }) => {
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

  test("one whose time passed while the agent was off starts at once", async ({ rig }) => {
    const first = rig.manager();
    const run = rig.sh(first, "ada", "true", { scheduledAt: Date.now() + 60_000 });
    await first.close();
    const second = rig.manager({ now: () => Date.now() + 120_000 });
    expect(await endOf(second, run)).toMatchObject({ reason: "Completed" });
  });

  test("stopping it before its time cancels it", async ({ rig }) => {
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

describe.concurrent("replacement", () => {
  test("a second run stops the first gracefully, is ContainerCreating meanwhile, and is what status shows", async ({
    rig,
  }) => {
    const manager = rig.manager();
    const first = rig.sh(manager, "ada", SERVER);
    await rig.said(first, "up");
    const second = rig.sh(manager, "ada", SERVER);
    expect(await manager.status("ada", "default")).toEqual({ waiting: { reason: "ContainerCreating" } });
    await stateWhere(manager, second, running);
    expect(await endOf(manager, first)).toMatchObject({ exitCode: 5, reason: "Error" });
    expect(rig.lines(first)).toEqual(["up", "down"]);
    expect(await manager.status("ada", "default")).toHaveProperty("running");
  });

  test("a merely scheduled one leaves the first running and replaces it when its time comes", async ({
    rig,
  }) => {
    const manager = rig.manager();
    const first = rig.sh(manager, "ada", SERVER);
    await rig.said(first, "up");
    const second = rig.sh(manager, "ada", "echo second", { scheduledAt: Date.now() + 5_000 });
    expect(await manager.status("ada", "default")).toHaveProperty("waiting.reason", "Scheduled");
    expect(manager.reports().find(({ run }) => run === first)?.state).toHaveProperty("running");
    expect(await endOf(manager, second)).toMatchObject({ reason: "Completed" });
    expect(await endOf(manager, first)).toMatchObject({ exitCode: 5 });
  });

  test("one that cannot start yet leaves the first running", async ({ rig }) => {
    const manager = rig.manager();
    const first = rig.sh(manager, "ada", SERVER);
    await rig.said(first, "up");
    const second = rig.sh(manager, "ada", "true", { image: "missing" });
    await stateWhere(manager, second, waitingFor("ImagePullBackOff"));
    expect(manager.reports().find(({ run }) => run === first)?.state).toHaveProperty("running");
  });

  test("an unstarted run of that name is dropped; the one that ran before is kept", async ({ rig }) => {
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
