import { readFile, stat } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Stage } from "./testing/cli-process.ts";
import { ACCEPTED, command, locked, token } from "./testing/ground.ts";

const NODES = "GET /em/nodes/status";
const NODES_200 = {
  json: { message: "Nodes retrieved successfully.", data: [{ name: "fpga", status: "True" }] },
};

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open();
});
afterEach(() => stage.close());

describe("log-in", () => {
  test("without one nothing is asked: exit 3", async () => {
    const { code, stderr } = await stage.run(["nodes"]);
    expect(code).toBe(3);
    expect(stderr).toContain("NOT_LOGGED_IN");
    expect(stderr).toContain("perigee login");
    expect(stage.ground.seen).toEqual([]);
  });

  test("a 401 renews the access token once, keeps it, and asks again", async () => {
    await stage.logIn("old");
    stage.ground
      .on(NODES, ({ headers }) =>
        headers.authorization === "Bearer new" ? NODES_200 : { status: 401, json: {} },
      )
      .on("POST /auth/refresh", { json: { access: "new" } });
    const { code, stdout } = await stage.run(["nodes", "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual(NODES_200.json);
    expect(JSON.parse(stage.ground.calls("POST /auth/refresh")[0]!.body.toString())).toEqual({
      refresh: "refresh-1",
    });
    const kept = JSON.parse(await readFile(stage.credentials, "utf8"))[stage.ground.url];
    expect(kept).toEqual({ username: "alice", access: "new", refresh: "refresh-1" });
    expect((await stat(stage.credentials)).mode & 0o777).toBe(0o600);
  });

  test("an access token at its end is renewed before it is used", async () => {
    await stage.logIn(token(5));
    stage.ground.on(NODES, NODES_200).on("POST /auth/refresh", { json: { access: "new" } });
    expect((await stage.run(["nodes"])).code).toBe(0);
    expect(stage.ground.calls(NODES).map(({ headers }) => headers.authorization)).toEqual(["Bearer new"]);
  });

  test("a refused refresh token: exit 3, no third try", async () => {
    await stage.logIn("old");
    stage.ground.on(NODES, { status: 401, json: {} }).on("POST /auth/refresh", { status: 401, json: {} });
    const { code, stderr } = await stage.run(["nodes"]);
    expect(code).toBe(3);
    expect(stderr).toContain("log in again");
    expect(stage.ground.seen).toHaveLength(2);
  });

  test("401 even with a fresh token does not go round in circles", async () => {
    await stage.logIn("old");
    const refused = { status: 401, json: { error: "UNAUTHORIZED", message: "no" } };
    stage.ground.on(NODES, refused).on("POST /auth/refresh", { json: { access: "new" } });
    expect((await stage.run(["nodes"])).code).toBe(3);
    expect(stage.ground.calls(NODES)).toHaveLength(2);
  });
});

describe("a busy edge", () => {
  const HELD = locked({ held: true, since: "2025-11-20T12:41:00Z" });
  beforeEach(() => stage.logIn());

  test("is waited for with a line that says what it does and since when", async () => {
    const own = { operation: "image.build", since: "2025-11-20T12:31:12Z", command_id: "01OTHER" };
    stage.ground.on(
      NODES,
      locked(own),
      locked(own),
      locked({ since: "2025-11-20T12:40:00Z" }),
      HELD,
      NODES_200,
    );
    const { code, stdout, stderr } = await stage.run(["nodes"]);
    expect(code).toBe(0);
    expect(stdout).toContain("fpga");
    // said again only when it changes
    expect(stderr.trim().split("\n")).toEqual([
      "CG2 is busy with an image build of yours (01OTHER) since 2025-11-20 12:31:12Z; waiting",
      "CG2 is busy with others' command since 2025-11-20 12:40:00Z; waiting",
      "CG2 is held by its operator since 2025-11-20 12:41:00Z; waiting",
    ]);
  });

  test("--no-wait: exit 5 at once", async () => {
    stage.ground.on(NODES, locked({ since: "2025-11-20T12:40:00Z" }));
    const { code, stderr } = await stage.run(["nodes", "--no-wait"]);
    expect(code).toBe(5);
    expect(stderr).toContain("LOCKED");
    expect(stage.ground.seen).toHaveLength(1);
  });

  test("the wait has an end: exit 5, and it says so", async () => {
    stage.ground.on(NODES, locked({ since: "2025-11-20T12:40:00Z" }));
    const { code, stderr } = await stage.run(["nodes", "--wait", "300ms", "--json"]);
    expect(code).toBe(5);
    const lines = stderr
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.at(-1)).toMatchObject({ error: "LOCKED", exit_code: 5, status: 423 });
    expect(lines.at(-1).message).toContain("others' command");
    expect(lines[0]).toMatchObject({ waiting: "LOCKED", data: { since: "2025-11-20T12:40:00Z" } });
  });

  test("503 and a full queue are waited out too; an end without contact is exit 6", async () => {
    const lost = { error: "EM_UNREACHABLE", message: "CG2 cannot be reached" };
    const full = { error: "QUEUE_FULL", message: "full" };
    const again = { "Retry-After": "0" };
    stage.ground.on(
      NODES,
      { status: 503, headers: again, json: lost },
      { status: 429, headers: again, json: full },
      NODES_200,
    );
    expect((await stage.run(["nodes"])).code).toBe(0);
    stage.ground.on(NODES, { status: 503, headers: again, json: lost });
    const { code, stderr } = await stage.run(["nodes", "--wait", "250ms"]);
    expect(code).toBe(6);
    expect(stderr).toContain("perigee edge");
  });

  test("every try of a change that was refused has a key of its own; one that was cut keeps it", async () => {
    const RM = "POST /em/files/delete";
    const cut = { raw: (_: unknown, response: { destroy(): void }) => void response.destroy() };
    stage.ground.on(RM, locked({}), cut, { json: { message: "File deleted successfully" } });
    expect((await stage.run(["rm", "a"])).code).toBe(0);
    const [refused, lost, done] = stage.ground.calls(RM).map(({ headers }) => headers["idempotency-key"]);
    expect(refused).toMatch(/^[0-9a-f-]{36}$/);
    expect(lost).not.toBe(refused);
    expect(done).toBe(lost);
  });
});

describe("202", () => {
  beforeEach(() => stage.logIn());

  test("is followed to the end, through cuts", async () => {
    const cut = { raw: (_: unknown, response: { destroy(): void }) => void response.destroy() };
    stage.ground
      .on("GET /em/pod/image/list", ACCEPTED)
      .on("GET /edge", {
        json: { data: { contact: { state: "ok" }, busy: { since: "2025-11-20T12:40:00Z" } } },
      })
      .on(
        "GET /commands/01C",
        command("queued", { position: 3, operation: "image.list" }),
        cut,
        command("queued", { held: "user" }),
        command("queued", { held: "edge" }),
        command("running"),
        command("succeeded", {
          result: { images: [{ name: "echo", tag: "latest", id: "sha256:abcdef0123456789" }] },
        }),
      );
    const { code, stdout, stderr } = await stage.run(["images"]);
    expect(code).toBe(0);
    expect(stdout).toContain("echo:latest");
    expect(stderr).toContain("queued; 2 ahead of you; CG2 is busy with others' command");
    expect(stderr).toContain("is held until you release it");
    expect(stderr).toContain("queued; its edge is held by the operator");
    expect(stage.ground.calls("GET /commands/01C").at(-1)!.path).toContain("?wait=20");
  });

  test("a failure behind it is the verb's failure, with its log", async () => {
    const error = {
      code: "BUILD_FAILED",
      message: "Docker build failed",
      log_tail: ["step 1\n", "boom\u001b[2J\n"],
    };
    stage.ground
      .on("POST /em/pod/image/build", ACCEPTED)
      .on("GET /commands/01C", command("failed", { error }));
    const { code, stderr } = await stage.run(["build", "ctx", "-t", "x"]);
    expect(code).toBe(1);
    expect(stderr).toContain("  boom\n");
    expect(stderr).toContain("Docker build failed (BUILD_FAILED)");
    expect(stderr).not.toContain("\u001b");
    expect(JSON.parse(stage.ground.seen[0]!.body.toString())).toEqual({
      context: "ctx",
      dockerfile: "ctx/Dockerfile",
      image: "x",
    });
  });

  test.each([
    ["cancelled", "CANCELLED", 1],
    ["expired", "EXPIRED", 6],
  ])("%s → %s, exit %i", async (state, error, exit) => {
    stage.ground.on(NODES, ACCEPTED).on("GET /commands/01C", command(state));
    const { code, stderr } = await stage.run(["nodes", "--json"]);
    expect(code).toBe(exit);
    expect(JSON.parse(stderr)).toMatchObject({ error, command_id: "01C", exit_code: exit });
  });

  test("still queued when the wait is over: exit 5, and how to find it", async () => {
    stage.ground
      .on("POST /em/pod/image/load", ACCEPTED)
      .on("GET /edge", { status: 500, json: {} })
      .on("GET /commands/01C", command("queued", { position: 2 }));
    const { code, stderr } = await stage.run(["load", "a.tar", "-t", "x", "--wait", "300ms"]);
    expect(code).toBe(5);
    expect(stderr).toContain("perigee commands 01C --follow");
  });

  test("Ctrl-C leaves the command alone and says how to find it: exit 130", async () => {
    stage.ground.on("POST /em/pod/image/load", ACCEPTED).on("GET /commands/01C", command("running"), {
      raw: (_, response) => void response.socket?.on("close", () => {}),
    });
    const running = stage.start(["load", "a.tar", "-t", "x"]);
    await expect.poll(() => stage.ground.calls("GET /commands/01C").length, { timeout: 90_000 }).toBe(2);
    running.child.kill("SIGINT");
    const { code, stderr } = await running.ended;
    expect(code).toBe(130);
    expect(stderr).toContain("perigee cancel 01C");
    expect(stage.ground.calls("POST /commands/01C/cancel")).toEqual([]);
  });
});

describe("answers that are none", () => {
  beforeEach(() => stage.logIn());

  test("nobody listens: exit 6 with the address", async () => {
    const { code, stderr } = await stage.run(["nodes", "--url", "http://127.0.0.1:9"]);
    expect(code).toBe(3);
    expect(stderr).toContain("http://127.0.0.1:9");
    await stage.ground.stop();
    const { code: refused, stderr: text } = await stage.run(["nodes"]);
    expect(refused).toBe(6);
    expect(text).toContain("GROUND_UNREACHABLE");
  });

  test("a page that is not JSON", async () => {
    stage.ground.on(NODES, { status: 200, body: "<html>" });
    const { code, stderr } = await stage.run(["nodes"]);
    expect(code).toBe(1);
    expect(stderr).toContain("not JSON");
  });

  test.each([
    [400, "INVALID_PARAMETERS", 2],
    [403, "ILLEGAL_PATH", 1],
    [404, "FILE_NOT_FOUND", 4],
    [409, "IMAGE_IN_USE", 1],
    [500, "INTERNAL_ERROR", 1],
    [504, "DEADLINE_EXCEEDED", 5],
    [507, "QUOTA_EXCEEDED", 7],
  ])("%i %s → exit %i", async (status, error, exit) => {
    stage.ground.on(NODES, { status, json: { error, message: "why\u001b]0;x\u0007" } });
    const { code, stderr } = await stage.run(["nodes"]);
    expect(code).toBe(exit);
    expect(stderr).toContain(error);
    expect(stderr).not.toContain("\u001b");
  });

  test("--edge goes out as Perigee-Edge", async () => {
    stage.ground.on(NODES, NODES_200);
    expect((await stage.run(["nodes", "--edge", "em-2"])).code).toBe(0);
    expect(stage.ground.seen[0]!.headers["perigee-edge"]).toBe("em-2");
  });

  test("usage: exit 2, as JSON when asked", async () => {
    expect((await stage.run(["run", "x"])).code).toBe(2);
    expect((await stage.run(["nosuch"])).code).toBe(2);
    expect((await stage.run([])).code).toBe(2);
    const { code, stderr } = await stage.run(["nodes", "--wait", "soon", "--json"]);
    expect(code).toBe(2);
    expect(JSON.parse(stderr)).toMatchObject({ error: "USAGE", exit_code: 2 });
    expect((await stage.run(["--help"])).code).toBe(0);
  });
});
