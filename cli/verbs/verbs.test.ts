import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Stage } from "../testing/cli-process.ts";
import { ACCEPTED, command, type Reply } from "../testing/ground.ts";

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open();
  await stage.logIn();
});
afterEach(() => stage.close());

const sent = (n = 0) => JSON.parse(stage.ground.seen[n]!.body.toString());
const state = (value: object): Reply => ({ json: { message: "ok", data: { state: value } } });

describe("ls", () => {
  const HASH = "-6285199279658827551";
  const text = `[{"type":"file","name":"a\\u001b[2J.txt","size":"167","time":"2025-11-20-12-31","hash":5686952638663605203},
    {"type":"directory","name":"d","size":"3000","time":"2025-11-20-11-30","contents":[
      {"type":"file","name":"Dockerfile","size":"3000","time":"2025-11-20-13-43","hash":${HASH}},
      {"type":"symlink","name":"l","size":"4","time":"2025-11-20-13-43","hash":null}]}]`;
  const listing: Reply = {
    headers: { "Content-Type": "application/json" },
    body: `{"message":"Successfully listed files","data":${text}}`,
  };

  test("shows the root, everything with -R, and no terminal codes of a name", async () => {
    stage.ground.on("GET /em/files/list", listing);
    const { stdout } = await stage.run(["ls"]);
    expect(stdout.split("\n").slice(0, 3)).toEqual([
      "   SIZE  CHANGED (UTC)     NAME",
      "  167 B  2025-11-20 12:31  a\\u001b[2J.txt",
      "2.9 KiB  2025-11-20 11:30  d/",
    ]);
    const deep = await stage.run(["ls", "-R", "--hash"]);
    expect(deep.stdout).toContain("d/Dockerfile");
    expect(deep.stdout).toContain("d/l@");
    expect(deep.stdout).toContain(HASH);
  });

  test("--json keeps 64-bit hashes exact; a path narrows it; a missing one is exit 4", async () => {
    stage.ground.on("GET /em/files/list", listing);
    const { stdout } = await stage.run(["ls", "./d/", "--json"]);
    expect(stdout).toContain(`"hash":${HASH}`);
    expect(JSON.parse(stdout).data.map(({ name }: { name: string }) => name)).toEqual(["Dockerfile", "l"]);
    expect((await stage.run(["ls", "d/Dockerfile/x"])).code).toBe(4);
    expect((await stage.run(["ls", "nope"])).code).toBe(4);
  });

  test.each([
    ["in the result", { result: { listing: text, truncated: false } }],
    ["in staging", { result: { content: { n: 0 } }, content: "/commands/01C/content" }],
  ])("behind a 202 the listing is %s", async (_, more) => {
    stage.ground
      .on("GET /em/files/list", ACCEPTED)
      .on("GET /commands/01C", command("succeeded", { operation: "volume.list", ...more }))
      .on("GET /commands/01C/content", listing);
    const { code, stdout } = await stage.run(["ls", "d", "--json"]);
    expect(code).toBe(0);
    expect(stdout).toContain(`"hash":${HASH}`);
  });
});

describe("run", () => {
  const RUN = "POST /em/pod/run";
  const OK = { json: { message: "Docker run scheduled successfully" } };
  const base = ["run", "echo", "--node", "fpga", "--max-duration", "2h"];

  test("sends every field as the contract wants it", async () => {
    stage.ground.on(RUN, OK);
    const { code, stdout } = await stage.run(
      [
        ...base,
        "--at",
        "2025-05-22T12:10:00+02:00",
        "--pod",
        "p",
        "--volume",
        "v",
        "--port",
        "80,1999",
      ].concat(["--port", "14", "-e", "A=1=2", "--env", "FROM_HERE", "--", "my prog", "--json", "it's"]),
      { env: { FROM_HERE: "yes" } },
    );
    expect(code).toBe(0);
    expect(stdout).toContain("perigee status --pod p");
    expect(sent()).toEqual({
      image: "echo",
      node: "fpga",
      max_duration: 120,
      scheduled_time: "2025-05-22T12:10:00+02:00",
      command: "'my prog'",
      args: ["--json", "it's"],
      pod_name: "p",
      pvc_name: "v",
      ports: [80, 1999, 14],
      envs: { A: "1=2", FROM_HERE: "yes" },
    });
  });

  test("one word is a command line as it is; --arg alone keeps the image's program", async () => {
    stage.ground.on(RUN, OK);
    await stage.run([...base, "--", "echo 'hi' > /data/x"]);
    await stage.run([...base, "--arg", "-v", "--arg", "x"]);
    await stage.run(base);
    expect(sent(0).command).toBe("echo 'hi' > /data/x");
    expect(sent(0).args).toBeUndefined();
    expect([sent(1).command, sent(1).args]).toEqual([undefined, ["-v", "x"]]);
    expect([sent(2).command, sent(2).args]).toEqual([undefined, undefined]);
  });

  test.each([
    ["--max-duration", "0"],
    ["--max-duration", "90s"],
    ["--port", "70000"],
    ["--env", "1A=x"],
    ["--env", "NOT_SET_ANYWHERE"],
    ["--at", "tomorrow"],
  ])("%s %s: exit 2, nothing sent", async (option, value) => {
    const { code } = await stage.run([...base, option, value]);
    expect(code).toBe(2);
    expect(stage.ground.seen).toEqual([]);
  });

  test.each([
    [0, 0],
    [3, 8],
  ])("--wait-for-end: the pod's exit code %i → ours %i", async (exitCode, code) => {
    const terminated = { exitCode, reason: exitCode ? "Error" : "Completed" };
    stage.ground
      .on(RUN, OK)
      .on(
        "GET /em/pod/status",
        state({ waiting: { reason: "ContainerCreating" } }),
        state({ running: { startedAt: "2025-11-20T12:31:12Z" } }),
        state({ terminated }),
      );
    const ended = await stage.run([...base, "--pod", "p", "--wait-for-end", "--json"]);
    expect(ended.code).toBe(code);
    expect(JSON.parse(ended.stdout).data.state.terminated.exitCode).toBe(exitCode);
    expect(ended.stderr).toContain("p: running since 2025-11-20 12:31:12Z");
    expect(stage.ground.seen.at(-1)!.path).toBe("/em/pod/status?pod_name=p");
  });
});

describe("status", () => {
  test("--watch shows every change until the end", async () => {
    const running = state({ running: { startedAt: "2025-11-20T12:31:12Z" } });
    const terminated = { exitCode: 137, reason: "DeadlineExceeded", startedAt: "2025-11-20T12:31:12Z" };
    stage.ground.on("GET /em/pod/status", running, running, state({ terminated }));
    const { code, stdout } = await stage.run(["status", "--watch", "--interval", "1"]);
    expect(code).toBe(0);
    expect(stdout.trim().split("\n")).toEqual([
      "running since 2025-11-20 12:31:12Z",
      "terminated: DeadlineExceeded, exit code 137, ran from 2025-11-20 12:31:12Z to -",
    ]);
  });

  test("behind a 202; never run → exit 4", async () => {
    stage.ground
      .on("GET /em/pod/status", ACCEPTED)
      .on(
        "GET /commands/01C",
        command("succeeded", { result: { state: { waiting: { reason: "Scheduled" } } } }),
      );
    expect((await stage.run(["status"])).stdout).toBe("waiting: Scheduled\n");
    stage.ground.on("GET /em/pod/status", {
      status: 404,
      json: { error: "POD_NOT_FOUND", message: "never run" },
    });
    expect((await stage.run(["status"])).code).toBe(4);
  });
});

describe("logs", () => {
  test("are streamed as they come; Ctrl-C ends with 130", async () => {
    stage.ground.on("GET /em/pod/logs", {
      raw(_request, response) {
        response.writeHead(200, { "Content-Type": "text/plain" });
        response.write("first\n");
      },
    });
    const running = stage.start(["logs", "-f", "--pod", "p", "--tail", "5", "--previous"]);
    await running.shows("first");
    expect(stage.ground.seen[0]!.path).toBe("/em/pod/logs?pod_name=p&tail=5&previous=true&follow=true");
    running.child.kill("SIGINT");
    expect((await running.ended).code).toBe(130);
  });

  test("--json makes one object of every line, whole characters only", async () => {
    const text = Buffer.from("é1\ntwo\nlast");
    stage.ground.on("GET /em/pod/logs", {
      raw(_request, response) {
        response.write(text.subarray(0, 1), () => response.end(text.subarray(1)));
      },
    });
    const { stdout } = await stage.run(["logs", "--json"]);
    const lines = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).line);
    expect(lines).toEqual(["é1", "two", "last"]);
  });

  test("a cut stream is no clean end: exit 6", async () => {
    stage.ground.on("GET /em/pod/logs", {
      raw(_request, response) {
        response.writeHead(200, { "Content-Length": 100 });
        response.write("part\n", () => response.destroy());
      },
    });
    expect((await stage.run(["logs"])).code).toBe(6);
  });

  test("a reader that leaves ends it quietly", async () => {
    stage.ground.on("GET /em/pod/logs", { body: "line\n".repeat(500_000) });
    const running = stage.start(["logs"]);
    running.child.stdout!.once("data", () => running.child.stdout!.destroy());
    const { code, stderr } = await running.ended;
    expect([code, stderr]).toEqual([141, ""]);
  });
});

describe("the short ones", () => {
  test.each<[string[], string, object]>([
    [["rmi", "echo"], "POST /em/pod/image/delete", { image: "echo" }],
    [["stop", "--pod", "p"], "POST /em/pod/stop", { pod_name: "p" }],
    [["volumes", "rm", "v"], "POST /em/pvc/delete", { pvc_name: "v" }],
    [
      ["load", "a.tar", "-t", "x", "--pod", "p"],
      "POST /em/pod/image/load",
      { tarfile: "a.tar", image: "x", pod_name: "p" },
    ],
    [
      ["build", ".", "-t", "x"],
      "POST /em/pod/image/build",
      { context: ".", dockerfile: "Dockerfile", image: "x" },
    ],
    [
      ["build", "c/", "-t", "x", "-f", "D"],
      "POST /em/pod/image/build",
      { context: "c/", dockerfile: "D", image: "x" },
    ],
  ])("%j", async (args, route, body) => {
    stage.ground.on(route, { json: { message: "done" } });
    const { code, stdout } = await stage.run([...args, "--json"]);
    expect([code, JSON.parse(stdout)]).toEqual([0, { message: "done" }]);
    expect(sent()).toEqual(body);
  });

  test("rm deletes one after another and stops at the first failure", async () => {
    const failed = { status: 400, json: { error: "DELETE_FAILED", message: "nothing there" } };
    stage.ground.on("POST /em/files/delete", { json: { message: "File deleted successfully" } }, failed);
    const { code, stdout } = await stage.run(["rm", "a", "b", "c"]);
    expect([code, stdout]).toEqual([1, "Deleted a\n"]);
    expect(stage.ground.seen).toHaveLength(2);
  });

  test("volumes and edge as tables", async () => {
    const data = [{ name: "default", size: 2048, created: "2025-11-20T12:31:12Z" }];
    stage.ground.on("GET /em/pvc/list", { json: { message: "ok", data } }).on("GET /edge", {
      json: {
        data: {
          edge: "em",
          contact: { state: "ok", last: "2025-11-20T12:31:12Z", age: 12 },
          busy: { since: "2025-11-20T12:31:00Z" },
          queued: 2,
          nodes: [{ name: "fpga", kind: "FPGA", status: "True" }],
          pods: [
            {
              pod_name: "p",
              image: "echo",
              node: "fpga",
              state: { waiting: { reason: "Scheduled" } },
              age: 3,
            },
          ],
        },
      },
    });
    expect((await stage.run(["volumes"])).stdout).toMatch(/default\s+2\.0 KiB\s+2025-11-20 12:31:12Z/);
    const { stdout } = await stage.run(["edge"]);
    expect(stdout).toContain("contact: ok, last 2025-11-20 12:31:12Z (12s ago)");
    expect(stdout).toContain("others' command since 2025-11-20 12:31:00Z");
    expect(stdout).toMatch(/p\s+echo\s+fpga\s+waiting: Scheduled\s+3s ago/);
  });
});

describe("commands", () => {
  const one = (id: string) => ({ command_id: id, operation: "pod.run", edge: "em", state: "succeeded" });
  const page = (ids: string[], next?: string): Reply => ({
    json: { message: "ok", data: ids.map(one), next },
  });

  test("--all turns every page, a short one too", async () => {
    stage.ground.on("GET /commands", page(["3"], "3"), page([], "2"), page(["1"]));
    const { stdout } = await stage.run(["commands", "--all", "--state", "succeeded", "--json"]);
    expect(JSON.parse(stdout).data.map(({ command_id }: { command_id: string }) => command_id)).toEqual([
      "3",
      "1",
    ]);
    expect(stage.ground.seen.map(({ path }) => path)).toEqual([
      "/commands?limit=200&state=succeeded",
      "/commands?limit=200&before=3&state=succeeded",
      "/commands?limit=200&before=2&state=succeeded",
    ]);
  });

  test("the newest alone without it", async () => {
    stage.ground.on("GET /commands", page(["3", "2"], "2"));
    expect((await stage.run(["commands", "--limit", "2"])).stdout).toMatch(/^COMMAND.*\n3 .*\n2 .*\n$/);
    expect(stage.ground.seen).toHaveLength(1);
  });

  test("one, shown and followed", async () => {
    const error = { code: "BUILD_FAILED", message: "no" };
    stage.ground.on(
      "GET /commands/01C",
      command("running"),
      command("running"),
      command("failed", { error }),
    );
    expect((await stage.run(["commands", "01C"])).stdout).toContain("state:     running");
    const { code, stdout } = await stage.run(["commands", "01C", "--follow"]);
    expect(code).toBe(1);
    expect(stdout).toContain("BUILD_FAILED: no");
    expect((await stage.run(["commands", "--follow"])).code).toBe(2);
  });

  test("cancel: at once, asked for and followed, or too late", async () => {
    const CANCEL = "POST /commands/01C/cancel";
    stage.ground.on(CANCEL, command("cancelled"));
    expect(await stage.run(["cancel", "01C"])).toMatchObject({ code: 0, stdout: "Cancelled 01C\n" });
    stage.ground.on(CANCEL, { status: 202, ...command("running") });
    stage.ground.on("GET /commands/01C", command("running"), command("cancelled"));
    expect(await stage.run(["cancel", "01C"])).toMatchObject({ code: 0, stdout: "Cancelled 01C\n" });
    stage.ground.on("GET /commands/01C", command("succeeded"));
    expect((await stage.run(["cancel", "01C"])).stderr).toContain("ended before it could be cancelled");
    stage.ground.on(CANCEL, { status: 409, json: { error: "NOT_CANCELLABLE", message: "it has ended" } });
    expect((await stage.run(["cancel", "01C"])).code).toBe(1);
  });
});

describe("exec", () => {
  const RUNNER = "7-3e3b7fd1-2c0c-4b9f-9a5e-1f6d0f0f0f0f";

  test("a runner's id is a runner, anything else a pod", async () => {
    const gone = { status: 404, json: { error: "RUNNER_NOT_FOUND", message: "no such runner" } };
    stage.ground.on(`POST /runners/${RUNNER}/exec`, gone);
    const words = ["-w", "/tmp", "-e", "A=b c", "--limit", "90s", RUNNER, "--", "sh", "-c", "echo hi"];
    expect(await stage.run(["exec", ...words])).toMatchObject({
      code: 4,
      stdout: "",
      stderr: expect.stringContaining("RUNNER_NOT_FOUND"),
    });
    expect(sent()).toEqual({
      command: ["sh", "-c", "echo hi"],
      env: { A: "b c" },
      cwd: "/tmp",
      limit_seconds: 90,
    });
    for (const pod of ["p", "7-3e3b7fd1", RUNNER.toUpperCase(), `${RUNNER}0`]) {
      stage.ground.on(`POST /pods/${pod}/exec`, gone);
      await stage.run(["exec", pod]);
      expect(stage.ground.calls(`POST /pods/${pod}/exec`)).toHaveLength(1);
    }
  });
});

describe("sessions", () => {
  const common = { edge: "em1", began: "2026-01-02T03:04:05.678Z" };
  const data = [
    {
      ...common,
      kind: "exec",
      pod: "p",
      runner: null,
      ended: null,
      end: null,
      bytes_in: null,
      bytes_out: null,
    },
    {
      ...common,
      kind: "exec",
      pod: null,
      runner: "0-a",
      ended: "2026-01-02T03:05:00.000Z",
      end: { type: "error", code: "OOM_KILLED" },
      bytes_in: 12,
      bytes_out: 2048,
    },
    {
      ...common,
      kind: "list",
      pod: null,
      runner: "0-b",
      ended: "2026-01-02T03:05:00.000Z",
      end: { type: "exit", code: 7 },
      bytes_in: 0,
      bytes_out: 0,
    },
  ];

  test("lists begins and ends of those in pods and in runners, and as JSON as they came", async () => {
    stage.ground.on("GET /sessions", { json: { message: "Successfully fetched sessions", data } });
    const { stdout } = await stage.run(["sessions"]);
    const began = "2026-01-02 03:04:05Z";
    const ended = "2026-01-02 03:05:00Z";
    expect(stdout.split("\n").map((line) => line.trim().split(/ {2,}/))).toEqual([
      ["KIND", "POD", "EDGE", "BEGAN", "ENDED", "END", "IN", "OUT"],
      ["exec", "p", "em1", began, "open"],
      ["exec", "0-a", "em1", began, ended, "OOM_KILLED", "12 B", "2.0 KiB"],
      ["list", "0-b", "em1", began, ended, "7", "0 B", "0 B"],
      [""],
    ]);
    expect(JSON.parse((await stage.run(["sessions", "--json"])).stdout).data).toEqual(data);
    stage.ground.on("GET /sessions", { json: { message: "Successfully fetched sessions", data: [] } });
    expect((await stage.run(["sessions"])).stdout).toBe("You had no live sessions\n");
  });
});

describe("runners", () => {
  const data = [
    {
      id: "0-a",
      edge: "em1",
      environment: 0,
      state: "idle",
      since: "2026-01-02T03:04:05.678Z",
      end: null,
      ports: [],
    },
    {
      id: "0-b",
      edge: "em1",
      environment: 0,
      state: "gone",
      since: "2026-01-02T03:04:06.000Z",
      end: "oom",
      ports: [],
    },
  ];

  test("lists them with their ends, and as JSON as they came", async () => {
    stage.ground.on("GET /runners", { json: { message: "Successfully fetched runners", data } });
    const { stdout } = await stage.run(["runners"]);
    expect(stdout.split("\n").map((line) => line.split(/ {2,}/))).toMatchObject([
      ["RUNNER", "ENVIRONMENT", "EDGE", "STATE", "SINCE"],
      ["0-a", "0", "em1", "idle", "2026-01-02 03:04:05Z"],
      ["0-b", "0", "em1", "gone (oom)", "2026-01-02 03:04:06Z"],
      [""],
    ]);
    expect(JSON.parse((await stage.run(["runners", "--json"])).stdout).data).toEqual(data);
  });
});
