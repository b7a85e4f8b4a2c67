import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { extract, type Header } from "tar-stream";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Stage } from "../testing/cli-process.ts";
import { command } from "../testing/ground.ts";

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open();
  await stage.logIn();
});
afterEach(() => stage.close());

const INSTANCE = {
  ...{ Id: "01J", Name: "web", State: "running", IpAddress: "10.0.0.2", ImageId: "app" },
  ...{ Infrastructure: "DOCKER", Created: "2026-01-02T03:04:05.678Z" },
};
const IMAGE = { Name: "app", SizeMb: 3, RunSpec: { Compiler: "docker-go-docker" } };
const refused = (status: number, error: string, message: string) => ({ status, json: { error, message } });

function sources(): string {
  const directory = join(stage.dir, "src");
  mkdirSync(join(directory, "lib"), { recursive: true });
  writeFileSync(join(directory, "run.sh"), "#!/bin/sh\n");
  chmodSync(join(directory, "run.sh"), 0o755);
  writeFileSync(join(directory, "lib/empty"), "");
  symlinkSync("run.sh", join(directory, "link"));
  return directory;
}

/** What a form's archive holds. */
async function packed(body: Buffer): Promise<Record<string, Partial<Header>>> {
  const begin = body.indexOf("\r\n\r\n", body.indexOf('name="tarfile"')) + 4;
  const entries: Record<string, Partial<Header>> = {};
  const tar = extract();
  tar.on("entry", ({ name, type, mode, linkname }, stream, next) => {
    entries[name] = { type, mode: (mode ?? 0) & 0o777, linkname };
    stream.on("end", next).resume();
  });
  await new Promise<void>((resolve, reject) => {
    tar.on("finish", () => resolve()).on("error", reject);
    Readable.from([body.subarray(begin, body.lastIndexOf("\r\n--"))]).pipe(tar);
  });
  return entries;
}

describe("compile", () => {
  const CREATE = "POST /unik/images/app/create";

  test("sends the directory as it is, shows the log as it comes, and the image", async () => {
    stage.ground
      .on(CREATE, { status: 202, headers: { Location: "/commands/C1" }, json: {} })
      .on("GET /commands/C1", command("running"), command("succeeded"))
      .on("GET /commands/C1/log", {
        json: {
          data: { rows: [{ cursor: 1, text: "Step 1\u001b[2J" }], next: 1, dropped: false, complete: true },
        },
      })
      .on("GET /unik/images/app", { json: IMAGE });
    const args = [
      "-t",
      "app",
      "--lang",
      "go",
      "--mount",
      "/a",
      "--mount",
      "/b",
      "--args",
      "x 'y z'",
      "--force",
    ];
    const ended = await stage.run(["compile", sources(), ...args]);
    expect([ended.code, ended.stdout]).toEqual([0, "Made app (docker-go-docker, 3.0 MiB)\n"]);
    expect(ended.stderr).toContain("Step 1");
    expect(ended.stderr).not.toContain("\u001b[2J");
    const { path, headers, body } = stage.ground.calls(CREATE)[0]!;
    expect(path.split("?")[1]).toBe("base=docker&lang=go&provider=docker&force=true");
    expect(headers.prefer).toBe("respond-async");
    expect(String(body)).toContain('name="mounts"\r\n\r\n/a,/b\r\n');
    expect(String(body)).toContain("name=\"args\"\r\n\r\nx 'y z'\r\n");
    expect(await packed(body)).toMatchObject({
      "run.sh": { type: "file", mode: 0o755 },
      lib: { type: "directory" },
      "lib/empty": { type: "file" },
      link: { type: "symlink", linkname: "run.sh" },
    });
  });

  test("sources that do not compile are a failure with what was said", async () => {
    stage.ground.on(CREATE, refused(422, "BUILD_FAILED", "compilation failed: exit code 1\nboom"));
    const ended = await stage.run(["compile", sources(), "-t", "app", "--lang", "go", "--no-wait"]);
    expect([ended.code, ended.stdout]).toEqual([1, ""]);
    expect(ended.stderr).toContain("compilation failed: exit code 1");
  });

  test("what is no directory is not sent", async () => {
    const ended = await stage.run(["compile", join(stage.dir, "nope"), "-t", "app", "--lang", "go"]);
    expect([ended.code, ended.stderr]).toEqual([1, expect.stringContaining("cannot read")]);
    expect(stage.ground.calls(CREATE)).toEqual([]);
  });
});

test("compilers: their names, or what one says", async () => {
  stage.ground
    .on("GET /unik/available_compilers", { json: ["docker-c-docker", "docker-go-docker"] })
    .on("GET /unik/describe_compiler", { body: "\nHOW TO\t\nPack it.\n" });
  expect((await stage.run(["compilers"])).stdout).toBe("docker-c-docker\ndocker-go-docker\n");
  expect(JSON.parse((await stage.run(["compilers", "--json"])).stdout)).toEqual({
    data: ["docker-c-docker", "docker-go-docker"],
  });
  expect((await stage.run(["compilers", "docker-c-docker"])).stdout).toContain("Pack it.");
  expect(stage.ground.calls("GET /unik/describe_compiler")[0]?.path).toContain(
    "base=docker&lang=c&provider=docker",
  );
});

describe("instance", () => {
  test("run says what was asked for, and where it is reached", async () => {
    stage.ground.on("POST /unik/instances/run", { status: 201, json: INSTANCE });
    const args = [
      "--name",
      "web",
      "--mount",
      "/data=my vol",
      "-e",
      "A=b=c",
      "--memory",
      "64",
      "--no-cleanup",
    ];
    const ended = await stage.run(["instance", "run", "app", ...args]);
    expect([ended.code, ended.stdout]).toEqual([0, "web (01J) is running at 10.0.0.2\n"]);
    expect(JSON.parse(String(stage.ground.calls("POST /unik/instances/run")[0]?.body))).toEqual({
      ...{ ImageName: "app", InstanceName: "web", Mounts: { "/data": "my vol" } },
      ...{ Env: { A: "b=c" }, MemoryMb: 64, NoCleanup: true },
    });
    expect((await stage.run(["instance", "run", "app", "--mount", "data"])).code).toBe(2);
  });

  test("ls, start, stop and rm", async () => {
    stage.ground
      .on("GET /unik/instances", { json: [INSTANCE] })
      .on("GET /unik/instances/web", { json: INSTANCE })
      .on("POST /unik/instances/web/start", { body: "" })
      .on("POST /unik/instances/web/stop", { body: "" })
      .on("DELETE /unik/instances/web", refused(409, "WRONG_STATE", "instance web is still running"), {
        status: 204,
      });
    expect((await stage.run(["instance", "ls"])).stdout).toMatch(
      /web +01J +running +10\.0\.0\.2 +app +docker/,
    );
    expect((await stage.run(["instance", "start", "web"])).stdout).toBe("Started web\n");
    expect((await stage.run(["instance", "stop", "web"])).stdout).toBe("Stopped web\n");
    expect(await stage.run(["instance", "rm", "web"])).toMatchObject({ code: 1 });
    expect(await stage.run(["instance", "rm", "web", "--force"])).toMatchObject({
      code: 0,
      stdout: "Removed web\n",
    });
    expect(stage.ground.calls("DELETE /unik/instances/web").map(({ path }) => path)).toEqual([
      "/unik/instances/web",
      "/unik/instances/web?force=true",
    ]);
  });

  test("images and rmi: what instances are made of", async () => {
    const RunSpec = {
      Compiler: "docker-go-docker",
      DeviceMappings: [
        { MountPoint: "/", DeviceName: "root" },
        { MountPoint: "/data", DeviceName: "vol0" },
      ],
    };
    stage.ground
      .on("GET /unik/images", { json: [{ ...IMAGE, Created: INSTANCE.Created, RunSpec }] }, { json: [] })
      .on(
        "DELETE /unik/images/my%20app",
        refused(409, "IN_USE", "instance web found which uses image my app"),
        {
          status: 204,
        },
      );
    expect((await stage.run(["instance", "images"])).stdout).toMatch(
      /app +docker-go-docker +3\.0 MiB +\/data /,
    );
    expect((await stage.run(["instance", "images"])).stdout).toBe(
      "You have no images of sources: perigee compile\n",
    );
    const refusal = await stage.run(["instance", "rmi", "my app"]);
    expect([refusal.code, refusal.stderr]).toEqual([1, expect.stringContaining("which uses image my app")]);
    expect((await stage.run(["instance", "rmi", "my app", "--force"])).stdout).toBe("Deleted my app\n");
    expect(stage.ground.calls("DELETE /unik/images/my%20app").map(({ path }) => path)).toEqual([
      "/unik/images/my%20app",
      "/unik/images/my%20app?force=true",
    ]);
  });

  test("logs -f writes the lines alone, as they come", async () => {
    stage.ground.on("GET /unik/instances/web/logs", {
      raw: (_request, response) => {
        response.writeHead(200, { "Content-Type": "text/plain" });
        response.write("getting logs for web...\none\n\0tw");
        response.end("o\n\0last");
      },
    });
    expect((await stage.run(["instance", "logs", "web", "-f"])).stdout).toBe("one\ntwo\nlast\n");
    expect(stage.ground.calls("GET /unik/instances/web/logs")[0]?.path).toContain("follow=true");
    expect((await stage.run(["instance", "logs", "web", "--json"])).stdout).toContain('{"line":"two"}\n');
  });

  test("a ground without the API is named as one", async () => {
    stage.ground.on("GET /unik/instances", refused(404, "NOT_FOUND", "no such route"));
    const ended = await stage.run(["instance", "ls"]);
    expect([ended.code, ended.stderr]).toEqual([4, expect.stringContaining("does not speak UniK's API")]);
  });
});

test("volumes create, attach and detach", async () => {
  stage.ground
    .on("POST /unik/volumes/v", { status: 201, json: { Name: "v" } })
    .on("POST /unik/volumes/v/attach/web", { status: 202, body: "v" })
    .on("POST /unik/volumes/v/detach", { status: 202, body: "v" });
  expect((await stage.run(["volumes", "create", "v"])).code).toBe(2);
  expect((await stage.run(["volumes", "create", "v", "--size", "16", "--type", "fat"])).stdout).toBe(
    "Made volume v\n",
  );
  expect((await stage.run(["volumes", "create", "v", "--data", sources()])).code).toBe(0);
  const [empty, filled] = stage.ground.calls("POST /unik/volumes/v");
  expect(empty?.path).toBe("/unik/volumes/v?provider=docker&size=16&type=fat");
  expect(Object.keys(await packed(filled!.body))).toContain("run.sh");
  expect((await stage.run(["volumes", "attach", "v", "web", "--mount", "/data"])).stdout).toBe(
    "Attached v to web\n",
  );
  expect(stage.ground.calls("POST /unik/volumes/v/attach/web")[0]?.path).toContain("?mount=%2Fdata");
  expect((await stage.run(["volumes", "detach", "v"])).stdout).toBe("Detached v\n");
});

describe("hub", () => {
  const ENTRY = { image: { ...IMAGE, Created: INSTANCE.Created }, owner: "bob" };

  test("push, pull and rm say what was done", async () => {
    stage.ground
      .on("POST /unik/images/push/app", { status: 202, headers: { Location: "/commands/C1" }, json: {} })
      .on("GET /commands/C1", command("running"), command("succeeded"))
      .on("POST /unik/images/pull/app", { status: 202, body: "" })
      .on("POST /unik/images/remote-delete/app", { status: 202, body: "" });
    expect((await stage.run(["hub", "push", "app"])).stdout).toBe("Pushed app\n");
    expect((await stage.run(["hub", "pull", "app", "--owner", "bob", "--force"])).stdout).toBe(
      "Pulled app\n",
    );
    expect((await stage.run(["hub", "rm", "app"])).stdout).toBe("Removed app from the hub\n");
    expect(stage.ground.calls("POST /unik/images/push/app")[0]?.headers.prefer).toBe("respond-async");
    const [pull] = stage.ground.calls("POST /unik/images/pull/app");
    expect([pull?.path.split("?")[1], String(pull?.body)]).toEqual([
      "provider=docker&owner=bob&force=true",
      "{}",
    ]);
  });

  test("a hub elsewhere gets its log-in from the environment or stdin, and from no command line", async () => {
    const URL = "https://s3.example/bucket/images";
    stage.ground.on("POST /unik/images/push/app", { status: 202, body: "" });
    stage.ground.on("POST /unik/images/pull/app", { status: 202, body: "" });
    stage.ground.on("POST /unik/images/remote-delete/app", { status: 202, body: "" });
    const body = (path: string) => JSON.parse(String(stage.ground.calls(path).at(-1)?.body));
    const env = { PERIGEE_HUB_USER: "AKID", PERIGEE_HUB_PASSWORD: "secret" };
    const wanted = { URL, Username: "AKID", Password: "secret" };
    expect((await stage.run(["hub", "push", "app", "--hub", URL], { env })).code).toBe(0);
    expect(body("POST /unik/images/push/app")).toEqual(wanted);
    const input = "AKID\nsecret\n";
    expect((await stage.run(["hub", "pull", "app", "--hub", URL, "--hub-stdin"], { input })).code).toBe(0);
    expect(body("POST /unik/images/pull/app")).toEqual(wanted);
    // one that is set for a hub elsewhere is nothing for the ground's own
    expect((await stage.run(["hub", "rm", "app"], { env })).code).toBe(0);
    expect(body("POST /unik/images/remote-delete/app")).toEqual({});
    expect((await stage.run(["hub", "rm", "app", "--hub", URL])).code).toBe(0);
    expect(body("POST /unik/images/remote-delete/app")).toEqual({ URL });
    for (const [args, options] of [
      [["--hub", "https://AKID:secret@s3.example/bucket"], {}],
      [["--hub", "bucket"], {}],
      [["--hub-stdin"], { input }],
      [["--hub", URL, "--hub-stdin"], { input: "AKID\n" }],
      [["--hub", URL], { env: { PERIGEE_HUB_USER: "AKID" } }],
    ] as const) {
      const { code, stderr } = await stage.run(["hub", "push", "app", ...args], options);
      expect([args, code, stderr.includes("secret@")]).toEqual([args, 2, false]);
    }
    expect(stage.ground.calls("POST /unik/images/push/app")).toHaveLength(1);
  });

  test("search lists those whose name or owner has the text", async () => {
    const other = { ...ENTRY, image: { ...ENTRY.image, Name: "tool" }, owner: "eve" };
    stage.ground.on("GET /unik/hub/images", { json: [ENTRY, other] });
    expect((await stage.run(["hub", "search"])).stdout).toMatch(/app +bob[\s\S]+tool +eve/);
    const { stdout } = await stage.run(["hub", "search", "BOB", "--json"]);
    expect(JSON.parse(stdout)).toEqual({ data: [ENTRY] });
    expect((await stage.run(["hub", "search", "nope"])).stdout).toBe("The hub has no such image\n");
  });

  test("a refusal is told as it came", async () => {
    const text = "'app' is ambiguous: bob/app, eve/app";
    stage.ground.on("POST /unik/images/pull/app", refused(409, "AMBIGUOUS_NAME", text));
    const ended = await stage.run(["hub", "pull", "app"]);
    expect([ended.code === 0, ended.stderr]).toEqual([false, expect.stringContaining(text)]);
  });
});
