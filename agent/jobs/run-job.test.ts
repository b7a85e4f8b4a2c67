import { readdirSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Backoff } from "#agent/backoff.ts";
import { GroundUnavailable } from "#agent/ground/ground-client.ts";
import { type OperationContext, RELEASED, ShuttingDown } from "#agent/operation.ts";
import { EDGE_KEY, RUNNING_JOBS } from "#agent/resources/resources-of.ts";
import { NotSent } from "#agent/transfers/send-in-parts.ts";
import { PerigeeError } from "#protocol/errors.ts";
import { JobRig } from "#test/support/job-rig.ts";
import { discardDropped, sweepJobs } from "./discard-job.ts";

let rig: JobRig;
beforeEach(async () => {
  rig = await JobRig.create();
});
afterEach(() => rig.cleanUp());

const NOTHING = { volumes: [], kept: [] };
/** Writes that it was started, and waits until SIGTERM. */
const UNTIL_TERM =
  "trap 'echo bye > /outbox/bye; exit 4' TERM; echo x >> /outbox/starts; echo up; while :; do sleep 0.05; done";

async function said(run: string, line: string): Promise<void> {
  while (!rig.pods.lines(run).includes(line)) await rig.pods.landed();
}

describe("a job", () => {
  test("reads its files, and brings back what it wrote, its log, its code and its times; nothing of it stays", async () => {
    const script = [
      "cat /inbox/d/a > /outbox/b",
      "mkdir -p /outbox/empty /outbox/d && echo deep > /outbox/d/c",
      "pwd; ls /outbox; id -u",
      "touch /inbox/x 2>/dev/null || echo read-only",
      "exit 3",
    ].join("; ");
    const job = rig.job(script, {}, { "d/a": "hello" });
    const end = await job.run();
    expect(end).toMatchObject({ state: "done", reason: "Error", exitCode: 3, content: { n: 0 } });
    expect(end.startedAt).toBeLessThanOrEqual(end.finishedAt!);
    expect(job.result()).toEqual({ b: "hello", "d/c": "deep\n" });
    expect(rig.pods.lines(job.id)).toEqual(["/", "b", "d", "empty", "0", "read-only"]);
    const bytes = rig.pods.chunks.reduce((sum, { data }) => sum + data.length, 0);
    expect(end.logBytes).toBe(bytes);
    expect(rig.pods.chunks[0]).toMatchObject({ user: "ann", pod: "job.tests" });
    expect(rig.left()).toEqual(NOTHING);
    await rig.pods.settled();
    const phases = new Set(job.progress.map(({ phase }) => phase));
    expect([...phases]).toEqual(["fetching", "waiting", "starting", "running", "packing", "sending"]);
  });

  test("without files has an inbox all the same, an outbox for any user id, and no network but its own", async () => {
    const user = await rig.pods.variant("user", { USER: "1234" });
    rig.pods.images.set("user", user);
    const script = "ls -d /inbox; echo x > /outbox/x; id -u; ls /sys/class/net";
    const job = rig.job(script, { image: "user" });
    expect(await job.run()).toMatchObject({ state: "done", reason: "Completed", exitCode: 0 });
    expect(job.result()).toEqual({ x: "x\n" });
    expect(rig.pods.lines(job.id)).toEqual(["/inbox", "1234", "lo"]);
  });

  test("args keep the image's ENTRYPOINT, and no outbox is an empty zip", async () => {
    rig.pods.images.set(
      "entry",
      await rig.pods.variant("entry", { changes: 'ENTRYPOINT ["echo", "first"]' }),
    );
    const job = rig.job(undefined, { image: "entry", args: ["$HOME", "b c"] });
    expect(await job.run()).toMatchObject({ state: "done", exitCode: 0 });
    expect(rig.pods.lines(job.id)).toEqual(["first $HOME b c"]);
    expect(job.result()).toEqual({});
  });

  test("what it used is measured while it runs", async () => {
    const busy =
      "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done; x=$(head -c 8000000 /dev/zero | tr '\\0' a); sleep 0.5";
    const { used, state } = await rig.job(busy).run();
    expect(state).toBe("done");
    expect(used.cpuMs).toBeGreaterThan(10);
    expect(used.memoryBytes).toBeGreaterThan(1_000_000);
  });

  test("one that cannot start, or whose image is not there, has failed", async () => {
    const start = rig.job(undefined, { command: ["/no/such"] });
    expect(await start.run()).toMatchObject({ state: "failed", reason: "StartError", exitCode: null });
    const image = rig.job("true", { image: "nowhere", pod: "other" });
    expect(await image.run()).toMatchObject({ state: "failed", reason: "ImageMissing", startedAt: null });
    expect(rig.left()).toEqual(NOTHING);
  });

  test("over its time it is ended, and has no result", async () => {
    const job = rig.job("echo x > /outbox/x; sleep 1000", { maxMs: 1_000 });
    const end = await job.run();
    expect(end).toMatchObject({ state: "failed", reason: "DeadlineExceeded", exitCode: null });
    expect(end.content).toBeUndefined();
  });
});

describe("a user ends it", () => {
  test("a cancel gives it time, and its result comes as it is then", async () => {
    const job = rig.job(UNTIL_TERM);
    const running = job.run();
    await said(job.id, "up");
    job.cancel();
    expect(await running).toMatchObject({ state: "done", reason: "Cancelled", exitCode: 4 });
    expect(job.result()).toEqual({ bye: "bye\n", starts: "x\n" });
  });

  test("a kill gives it none, also after a cancel that it takes no notice of", async () => {
    const job = rig.job("trap '' TERM; echo up; while :; do sleep 0.05; done");
    const running = job.run();
    await said(job.id, "up");
    job.cancel();
    job.kill();
    expect(await running).toMatchObject({ state: "done", reason: "Killed", exitCode: 137 });
  });

  test("a kill is one whatever the process would have made of it", async () => {
    const job = rig.job(UNTIL_TERM);
    const running = job.run();
    await said(job.id, "up");
    job.kill();
    expect(await running).toMatchObject({ state: "done", reason: "Killed", exitCode: 137 });
    expect(job.result()).toEqual({ starts: "x\n" });
  });

  test("before its container is made, nothing of it stays", async () => {
    const job = rig.job("true", {}, { a: "a" });
    const cancelled = new AbortController();
    const acquire = async () => {
      cancelled.abort(new Error("cancelled"));
      throw cancelled.signal.reason;
    };
    await expect(job.run(cancelled.signal, { acquire })).rejects.toThrow("cancelled");
    expect(rig.left()).toEqual(NOTHING);
    expect(rig.pods.chunks).toEqual([]);
  });
});

describe("what it leaves in its outbox", () => {
  test("comes without links, pipes and directories, and with names that any reader takes", async () => {
    const script = [
      "cd /outbox; echo a > a; ln -s /etc/passwd link; ln -s / root; mkfifo pipe; mkdir d; ln -s ../a d/up",
      "printf b > \"$(printf 'x\\377y')\"",
    ].join("; ");
    const job = rig.job(script);
    expect(await job.run()).toMatchObject({ state: "done", exitCode: 0 });
    expect(job.result()).toEqual({ a: "a\n", "x%FFy": "b" });
  });

  test("over the bound has failed with its code, however little of it is on the disk", async () => {
    const job = rig.job("truncate -s 3G /outbox/sparse; exit 7");
    const end = await job.run();
    expect(end).toMatchObject({ state: "failed", reason: "ResultTooLarge", exitCode: 7 });
    expect(end.content).toBeUndefined();
    expect(rig.left()).toEqual(NOTHING);
  });
});

describe("the agent stops, and starts again", () => {
  const STEPS = ["fetched", "commit", "ended", RELEASED, "sent"];
  const points = STEPS.flatMap((step) => [[step, "before"] as const, [step, "after"] as const]);
  test.each(points)("at the note %s, %s it: it is run once, and ends as any", async (step, when) => {
    const job = rig.job("cat /inbox/a > /outbox/b; echo x >> /outbox/starts; echo said", {}, { a: "hello" });
    await job.runUntil(step, when);
    await rig.restart();
    expect(await job.run()).toMatchObject({ state: "done", reason: "Completed", exitCode: 0 });
    expect(job.result()).toEqual({ b: "hello", starts: "x\n" });
    expect(rig.pods.lines(job.id)).toEqual(["said"]);
    expect(rig.left()).toEqual(NOTHING);
  });

  test("while its container runs: that goes on, and is killed afterwards", async () => {
    const job = rig.job(UNTIL_TERM);
    const stopping = new AbortController();
    const first = job.run(stopping.signal);
    await said(job.id, "up");
    stopping.abort(new ShuttingDown("the agent is stopping"));
    await expect(first).rejects.toBeInstanceOf(ShuttingDown);
    await rig.restart();
    const second = job.run();
    job.kill();
    expect(await second).toMatchObject({ state: "done", reason: "Killed", exitCode: 137 });
    expect(job.result()).toEqual({ starts: "x\n" });
  });

  test("without contact its log and its container stay until there is some", async () => {
    let contact = false;
    rig.pods.contact = () => {
      if (!contact) throw new Error("no contact");
    };
    const jobs = Array.from({ length: 20 }, (_, n) => rig.job(`echo ${n}`, { pod: `job-${n}` }));
    const ends: unknown[] = [];
    const running = jobs.map(async (job) => ends.push(await job.run()));
    for (const job of jobs) await job.comesTo("sending");
    expect(ends).toEqual([]);
    contact = true;
    rig.manager.contactRestored();
    await Promise.all(running);
    expect(jobs.map(({ id }) => rig.pods.lines(id))).toEqual(jobs.map((_, n) => [`${n}`]));
  });
});

describe("the ground refuses its result", () => {
  /** Refuses so often, then takes it. */
  async function refused(...refusals: Error[]) {
    vi.spyOn(Backoff.prototype, "wait").mockResolvedValue();
    const job = rig.job("echo x > /outbox/x; exit 3");
    const store: OperationContext["store"] = async (...of) => {
      const refusal = refusals.shift();
      if (refusal) throw refusal;
      return job.context().store(...of);
    };
    const end = await job.run(undefined, { store });
    return { end, job, refusals };
  }
  afterEach(() => void vi.restoreAllMocks());

  test("finally, again and again: it is sent until it is there", async () => {
    const { end, job, refusals } = await refused(
      new PerigeeError("NOT_FOUND", "no such upload"),
      new PerigeeError("INTERNAL_ERROR", "a staged object is missing"),
      new PerigeeError("STORAGE_FULL", "the ground is full"),
      new GroundUnavailable("403", { status: 403 }),
      new NotSent("refused each time"),
    );
    expect(end).toMatchObject({ state: "done", reason: "Error", exitCode: 3, content: { n: 0 } });
    expect(refusals).toEqual([]);
    expect(job.result()).toEqual({ x: "x\n" });
    expect(rig.left()).toEqual(NOTHING);
  });

  test("as over the quota: that is how it ends, with its code", async () => {
    const { end } = await refused(new PerigeeError("QUOTA_EXCEEDED", "over the quota"));
    expect(end).toMatchObject({ state: "failed", reason: "ResultTooLarge", exitCode: 3 });
    expect(end.content).toBeUndefined();
  });

  test("as the ground has ended it: nothing of it stays", async () => {
    await expect(refused(new PerigeeError("COMMAND_NOT_FOUND", "ended"))).rejects.toMatchObject({
      code: "COMMAND_NOT_FOUND",
    });
    expect(rig.left()).toEqual(NOTHING);
  });
});

describe("the edge's disk is full", () => {
  const FULL = () => Object.assign(new Error("database or disk is full"), { errcode: 13 });
  beforeEach(() => void vi.spyOn(Backoff.prototype, "wait").mockResolvedValue());
  afterEach(() => void vi.restoreAllMocks());

  test.each(["commit", "ended", RELEASED, "sent"])(
    "at the note %s: it is noted as soon as there is room, and ends as any",
    async (full) => {
      let times = 3;
      const job = rig.job("echo x >> /outbox/starts; exit 3");
      job.beforeNote = (step) => {
        if (step === full && times-- > 0) throw FULL();
      };
      expect(await job.run()).toMatchObject({ state: "done", exitCode: 3, content: { n: 0 } });
      expect(job.result()).toEqual({ starts: "x\n" });
      expect(times).toBe(-1);
      expect(job.notes.filter(({ step }) => step === full)).toHaveLength(1);
    },
  );

  test("for its zip: it waits for room, gives others its place to run meanwhile, and comes with its result", async () => {
    const job = rig.job("echo x > /outbox/x");
    const released: (string | undefined)[] = [];
    let times = 3;
    const spool: OperationContext["spool"] = async (...of) => {
      if (times-- > 0) throw new PerigeeError("STORAGE_FULL", "no room to gather what is to be sent");
      return job.context().spool(...of);
    };
    const release = (key?: string) => void released.push(key);
    expect(await job.run(undefined, { spool, release })).toMatchObject({ state: "done", exitCode: 0 });
    expect(job.result()).toEqual({ x: "x\n" });
    expect(released).toEqual([EDGE_KEY, RUNNING_JOBS, RUNNING_JOBS, RUNNING_JOBS, undefined]);
  });

  test("for its zip for too long: it ends as too large, with its code", async () => {
    const job = rig.job("exit 3");
    const now = vi.spyOn(performance, "now");
    const spool = async () => {
      now.mockReturnValue(1e12);
      throw new PerigeeError("STORAGE_FULL", "no room");
    };
    const end = await job.run(undefined, { spool });
    expect(end).toMatchObject({ state: "failed", reason: "ResultTooLarge", exitCode: 3 });
  });

  test("when what it left is to be removed: its end is the same, and it is swept later", async () => {
    const job = rig.job("echo x > /outbox/x");
    vi.spyOn(rig.volumes, "takeAway").mockImplementation(() => {
      throw Object.assign(new Error("I/O error"), { code: "EIO" });
    });
    expect(await job.run()).toMatchObject({ state: "done", exitCode: 0, content: { n: 0 } });
    vi.restoreAllMocks();
    await sweepJobs(rig.deps(), { open: () => [] });
    expect(rig.left()).toEqual(NOTHING);
  });
});

describe("the later jobs of a submission", () => {
  test("are skipped after one that failed, where that is asked for", async () => {
    const stop = { onFailure: "stop", submission: "s" } as const;
    expect(await rig.job("exit 1", stop).run()).toMatchObject({ state: "done", exitCode: 1 });
    const later = rig.job("echo x > /outbox/x", stop, { a: "a" });
    expect(await later.run()).toMatchObject({ state: "failed", reason: "Skipped", exitCode: null });
    expect(later.fetched).toEqual([]);
    expect(await rig.job("true", { ...stop, submission: "t" }).run()).toMatchObject({ state: "done" });
    expect(await rig.job("true", { ...stop, onFailure: "continue" }).run()).toMatchObject({ state: "done" });
    expect(rig.left()).toEqual(NOTHING);
  });

  test("are skipped also when it fails while they wait", async () => {
    const stop = { onFailure: "stop", submission: "s" } as const;
    const later = rig.job("true", stop);
    const acquire = async () => void (await rig.job("exit 1", { ...stop, pod: "first" }).run());
    expect(await later.run(undefined, { acquire })).toMatchObject({ state: "failed", reason: "Skipped" });
  });
});

test("one that is cancelled before the next life goes on with it leaves nothing", async () => {
  const job = rig.job("true", {}, { a: "hello" });
  await job.runUntil("fetched", "after");
  await rig.restart();
  const { incoming } = rig.volumes;
  expect([rig.left().volumes.length, readdirSync(incoming)]).toEqual([2, [job.id]]);
  await discardDropped(rig.deps(), job);
  expect([rig.left(), readdirSync(incoming)]).toEqual([NOTHING, []]);
});

test("what the ground has ended is swept, and its container with it; other jobs go on", async () => {
  const lost = rig.job(UNTIL_TERM, {}, { a: "a" });
  const other = rig.job(UNTIL_TERM, { pod: "other" });
  const running = [lost.run(), other.run()];
  await said(lost.id, "up");
  await said(other.id, "up");
  const open = () => [{ command: other.id }];
  await sweepJobs(rig.deps(), { open });
  await Promise.allSettled([running[0]]);
  expect(rig.left().kept).toEqual([other.id]);
  expect(rig.volumes.names("ann").filter((name) => name.includes(lost.id.toLowerCase()))).toEqual([]);
  other.kill();
  expect(await running[1]).toMatchObject({ state: "done", reason: "Killed" });
});
