import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { JobRig } from "#test/support/job-rig.ts";

let rig: JobRig;
beforeEach(async () => {
  rig = await JobRig.create();
});
afterEach(() => rig.cleanUp());

describe("a job that the machine ends", () => {
  test("for memory is done, with what it wrote until then", async () => {
    const job = rig.job("echo x > /outbox/x; x=a; while :; do x=$x$x; done");
    const end = await job.run();
    expect(end).toMatchObject({ state: "done", reason: "OOMKilled", exitCode: 137, content: { n: 0 } });
    expect(job.result()).toEqual({ x: "x\n" });
  });

  test("as its user is over the quota has failed, and has no result; other users' go on", async () => {
    const script = "echo x > /outbox/x; echo up; while :; do sleep 0.05; done";
    const job = rig.job(script);
    const running = job.run();
    await rig.pods.said(job.id, "up");
    rig.manager.evict("somebody", "quota");
    rig.manager.evict("ann", "quota");
    const end = await running;
    expect(end).toMatchObject({ state: "failed", reason: "Evicted", exitCode: null });
    expect(end.message).toContain("over the quota");
    expect(end.content).toBeUndefined();
    expect(rig.left()).toEqual({ volumes: [], kept: [] });
  });
});
