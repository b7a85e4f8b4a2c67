import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { clock } from "../kabuto/api.ts";
import { commandOf } from "../kabuto/run-job.ts";
import { Stage } from "../testing/cli-process.ts";
import type { Reply } from "../testing/ground.ts";

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open();
  await stage.logIn();
});
afterEach(() => stage.close());

const JOB = "GET /pipeline/5/job/7";
const job = (state: string, more: object = {}): Reply => ({
  json: {
    7: {
      id: 7,
      command: "x",
      state,
      response: null,
      image: { id: 2 },
      pipeline: { id: 5 },
      reason: null,
      ...more,
    },
  },
});
const done = (response: number) => job("done", { response, reason: response === 0 ? "Completed" : "Error" });
const contact = (state: string, last: string | null): Reply => ({
  json: { message: "ok", data: { contact: { state, last } } },
});
const ROWS = "GET /execution/7/logs";

/** A ground on which image 2 and, in pipeline 5, job 7 can be made. */
function runs(...states: Reply[]): void {
  stage.ground
    .on("GET /image", { json: { 2: { id: 2, name: "tools" } } })
    .on("POST /pipeline", { json: { id: 5 } })
    .on("POST /pipeline/5/job", { json: { id: 7 } })
    .on("POST /pipeline/5/submit", { json: { 7: "in_queue" } })
    .on("GET /edge", contact("ok", null))
    .on(JOB, ...states)
    .on(`${ROWS}/0`, { json: [{ id: 3, job: 7, logline: "a\u001b[2J" }] })
    .on(`${ROWS}/3`, { json: [] });
}

describe("run", () => {
  test.each([
    [0, 0],
    [3, 8],
  ])("an image of its own: the job's exit code %i → ours %i", async (response, code) => {
    runs(job("running"), done(response));
    const ended = await stage.run([
      "kabuto",
      "run",
      "tools",
      "--no-results",
      "--max-duration",
      "2h",
      "--",
      "a b",
      "$c",
    ]);
    expect([ended.code, ended.stdout]).toEqual([code, "a\\u001b[2J\n"]);
    expect(ended.stderr).toContain(`job 7: done, exit code ${response}`);
    const [made] = stage.ground.calls("POST /pipeline/5/job");
    expect(JSON.parse(made!.body.toString())).toEqual({
      image_id: "2",
      command: "'a b' '$c'",
      max_duration: "120",
    });
  });

  test("a job that the edge could not run to its end is exit 8, and says why", async () => {
    runs(job("failed", { response: -1, reason: "DeadlineExceeded" }));
    const { code, stderr } = await stage.run(["kabuto", "run", "2"]);
    expect([code, stderr]).toEqual([8, expect.stringContaining("job 7: failed: DeadlineExceeded")]);
  });

  test("each step has a key of its own, which --key fixes, and a cut answer is asked for again under it", async () => {
    runs(done(0));
    const cut = { raw: (request: { socket: { destroy(): void } }) => request.socket.destroy() };
    stage.ground.on("POST /pipeline/5/submit", cut as never, { json: { 7: "in_queue" } });
    expect((await stage.run(["kabuto", "run", "2", "--no-results", "--key", "night-1"])).code).toBe(0);
    const keys = ["POST /pipeline", "POST /pipeline/5/job", "POST /pipeline/5/submit"].flatMap((route) =>
      stage.ground.calls(route).map(({ headers }) => headers["idempotency-key"]),
    );
    expect(keys).toEqual(["night-1-pipeline", "night-1-job", "night-1-submit", "night-1-submit"]);
  });

  test("without contact it says since when, and ends with how to go on when the wait is over", async () => {
    runs(job("in_queue", { reason: "NoContact" }));
    const last = new Date(Date.now() - 60_000).toISOString();
    stage.ground.on("GET /edge", contact("lost", last));
    const { code, stderr } = await stage.run(["kabuto", "run", "2", "--wait", "1s"]);
    expect(code).toBe(6);
    expect(stderr).toContain(`job 7: queued, no contact since ${last.slice(11, 16)} UTC\n`);
    expect(stderr).toContain("perigee kabuto logs -f 7");
  });

  test("--no-wait submits and returns", async () => {
    runs(job("in_queue"));
    const { code, stdout } = await stage.run(["kabuto", "run", "2", "--no-wait", "--json"]);
    expect([code, JSON.parse(stdout).data]).toEqual([0, { job: 7, pipeline: 5 }]);
    expect(stage.ground.calls(JOB)).toEqual([]);
  });

  test("Ctrl-C cancels the job; SIGTERM leaves it", async () => {
    for (const [signal, exit, cancelled] of [
      ["SIGINT", 130, 1],
      ["SIGTERM", 143, 1],
    ] as const) {
      runs(job("running"));
      stage.ground
        .on(`${ROWS}/3`, { raw: () => {} })
        .on("POST /pipeline/5/job/7/cancel", { json: { message: "Success" } });
      const run = stage.start(["kabuto", "run", "2"]);
      await run.shows("a\\u001b[2J");
      run.child.kill(signal);
      const { code, stderr } = await run.ended;
      expect(code).toBe(exit);
      expect(stderr).toContain(signal === "SIGINT" ? "job 7 was cancelled" : "job 7 goes on");
      expect(stage.ground.calls("POST /pipeline/5/job/7/cancel")).toHaveLength(cancelled);
    }
  });

  test("a directory is the context beside its Dockerfile; the image of its name is built anew", async () => {
    await mkdir(join(stage.dir, "tools/deep"), { recursive: true });
    await writeFile(join(stage.dir, "tools/Dockerfile"), "FROM busybox\n");
    await writeFile(join(stage.dir, "tools/deep/a"), "x");
    runs(done(0));
    stage.ground
      .on("PUT /image/2", { json: { status: "…", build_id: "B" } })
      .on(
        "GET /image/build/B",
        { json: { state: "PENDING" } },
        { json: { state: "SUCCESS", id: 2, output: [] } },
      );
    expect((await stage.run(["kabuto", "run", "tools", "--no-results"])).code).toBe(0);
    const sent = stage.ground.calls("PUT /image/2")[0]!.body.toString();
    expect(sent).toContain('name="dockerfile"\r\n\r\nFROM busybox\n');
    expect([...sent.matchAll(/name="attachments"; filename="([^"]*)"/g)].map(([, name]) => name)).toEqual([
      "deep/a",
    ]);
  });

  test("a build that fails shows the end of its output", async () => {
    await writeFile(join(stage.dir, "Dockerfile"), "FROM nothing\n");
    stage.ground
      .on("GET /image", { json: {} })
      .on("POST /image", { json: { build_id: "B" } })
      .on("GET /image/build/B", {
        json: {
          state: "FAILED",
          error: "Build failed",
          output: [{ stream: "Step 1/1\n" }, { error: "no nothing onboard" }],
        },
      });
    const { code, stderr } = await stage.run(["kabuto", "run", "Dockerfile"]);
    expect(code).toBe(1);
    expect(stderr).toContain("  Step 1/1\n  no nothing onboard\n");
    expect(stderr).toContain("BUILD_FAILED");
  });

  test.each<[Reply, number, string]>([
    [{ json: { error: "The queue is full (20), try again later" } }, 5, "QUEUE_FULL"],
    [{ json: { error: "Quota exceeded: 20 GiB" } }, 7, "QUOTA_EXCEEDED"],
    [{ json: { error: "No edge is granted to you" } }, 4, "EDGE_NOT_FOUND"],
    [{ json: { error: "Too many pipelines (500): delete some" } }, 1, "REFUSED"],
    [{ status: 400, json: { message: "[name]: must be at most 128 characters" } }, 2, "INVALID_PARAMETERS"],
    [{ status: 413, json: { status: 413, message: "Request Entity Too Large" } }, 1, "BODY_TOO_LARGE"],
    [{ status: 404, json: { error: "NOT_FOUND", message: "x" } }, 4, "NOT_FOUND"],
  ])("a refusal %j is exit %i, %s", async (refusal, exit, error) => {
    runs(done(0));
    stage.ground.on("POST /pipeline", refusal);
    const { code, stderr } = await stage.run(["kabuto", "run", "2", "--json", "--wait", "0"]);
    expect([code, JSON.parse(stderr.trim().split("\n").at(-1)!).error]).toEqual([exit, error]);
  });

  test("a place for the results that is taken is refused before anything is made", async () => {
    await mkdir(join(stage.dir, "out"));
    expect((await stage.run(["kabuto", "run", "2", "-o", "out"])).code).toBe(1);
    expect(stage.ground.seen).toEqual([]);
  });
});

describe("results", () => {
  test("a refusal is told, and nothing is left here", async () => {
    const json = { error: "Job has not finished running, or has failed" };
    stage.ground.on("GET /jobs", job("running")).on(JOB, { json });
    const { code, stderr } = await stage.run(["kabuto", "results", "7"]);
    expect([code, stderr]).toEqual([1, expect.stringContaining(json.error)]);
    expect((await readdir(stage.dir)).filter((name) => name !== "config")).toEqual([]);
    expect((await stage.run(["kabuto", "results", "8"])).code).toBe(4);
  });
});

test("several words are that program with those arguments, one is a command line", () => {
  expect(commandOf([])).toBeUndefined();
  expect(commandOf(["echo $HOME > /outbox/x"])).toBe("echo $HOME > /outbox/x");
  expect(commandOf(["echo", "it's", ">"])).toBe(`echo 'it'\\''s' '>'`);
});

test("a time of today is a clock's, an earlier one has its date", () => {
  const at = "2026-05-01T12:31:59.000Z";
  expect(clock(at, Date.parse(at) + 3600_000)).toBe("12:31 UTC");
  expect(clock(at, Date.parse(at) + 24 * 3600_000)).toBe("2026-05-01 12:31 UTC");
});
