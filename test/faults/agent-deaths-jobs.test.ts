import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { filesOfZip } from "#test/support/job-rig.ts";
import { JobWorld } from "#test/support/job-world.ts";
import { pointsOf } from "./support/killed-at.ts";

let jobs: JobWorld;
beforeAll(async () => {
  jobs = await JobWorld.create({ ground: { transferPartBytes: 64 * 1024 } });
});
afterAll(() => jobs.close());

/** What does not compress, in several parts. */
const SCRIPT =
  "cat /inbox/a > /outbox/b; echo x >> /outbox/starts; head -c 400000 /dev/urandom > /outbox/r; echo said";

describe("the agent dies in the middle of a job, and is started again", () => {
  const own = [
    "uplink.received",
    "jobs.fetched",
    "journal.after.commit",
    "pods.recorded",
    "pods.created",
    "pods.started",
    "jobs.running",
    "jobs.ended",
    "jobs.packed",
    "transfers.batch",
    "jobs.sent",
    "pods.flushed",
    "jobs.cleaned",
  ];
  test.each(pointsOf("job.run", own, "everywhere"))(
    "killed at %s: one container, one result, one log, one end",
    async (point) => {
      jobs.agent.arm(point);
      const command = await jobs.submit({ script: SCRIPT, files: { a: "hello" }, input: { pod: "job" } });
      await jobs.agent.death(point);
      await jobs.agent.start();
      const end = await jobs.end(command);
      expect(end).toMatchObject({ state: "done", reason: "Completed", exitCode: 0 });
      const files = filesOfZip(await jobs.zip(command, end));
      expect({ ...files, r: files.r?.length }).toEqual({ b: "hello", starts: "x\n", r: 400_000 });
      expect(await jobs.lines(command)).toEqual(["said"]);
    },
  );

  test.each(["journal.before.released", "journal.after.released", "journal.after.done"])(
    "killed at %s of a job that fails: the later ones of its submission are skipped",
    async (point) => {
      const group = `stop ${point}`;
      const input = { onFailure: "stop", submission: point } as const;
      jobs.agent.arm(point);
      const first = await jobs.submit({ script: "exit 1", group, input: { ...input, pod: "first" } });
      const later = await jobs.submit({ script: "true", group, input: { ...input, pod: "later" } });
      await jobs.agent.death(point);
      await jobs.agent.start();
      expect(await jobs.end(first)).toMatchObject({ state: "done", exitCode: 1 });
      expect(await jobs.end(later)).toMatchObject({ state: "failed", reason: "Skipped" });
    },
  );

  test("a small result is found under the next epoch, as it was noted before", async () => {
    jobs.agent.arm("journal.after.done");
    const command = await jobs.submit({ script: "echo x > /outbox/x" });
    await jobs.agent.death("journal.after.done");
    await jobs.agent.start();
    expect(filesOfZip(await jobs.zip(command, await jobs.end(command)))).toEqual({ x: "x\n" });
  });
});
