import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { PerigeeError } from "#protocol/errors.ts";
import { COMMAND_ID, EmServer } from "#test/support/em-server.ts";

let em: EmServer;
beforeEach(async () => {
  em = await EmServer.start();
});
afterEach(() => em.stop());

const last = () => em.dispatch.requests.at(-1);
const RUN = { image: "python:3.11-alpine", max_duration: "30", node: "FPGA" };
const CHANGING: [path: string, fields: Record<string, string>, operation: string, message: string][] = [
  ["/em/files/delete", { filepath: "a" }, "file.delete", "File deleted successfully"],
  [
    "/em/pod/image/build",
    { dockerfile: "d/Dockerfile", context: "d/", image: "x" },
    "image.build",
    "Docker Image built successfully",
  ],
  ["/em/pod/image/load", { tarfile: "i.tar", image: "x" }, "image.load", "Tar file loaded successfully"],
  ["/em/pod/image/delete", { image: "x" }, "image.delete", "Docker Image deleted successfully"],
  ["/em/pod/run", RUN, "pod.run", "Docker run scheduled successfully"],
  ["/em/pod/stop", {}, "pod.stop", "Pod stopped successfully"],
  ["/em/pvc/delete", { pvc_name: "a" }, "volume.remove", "Volume deleted successfully"],
];
/** Keys that were sent to an earlier version are found again. */
const EARLIER_NAMES: Record<string, string> = {
  "file.delete": "volume.delete",
  "volume.remove": "volumes.delete",
};
const READING: [path: string, operation: string, result: unknown, body: unknown][] = [
  [
    "/em/files/list",
    "volume.list",
    { listing: "[]", truncated: false },
    { message: "Successfully listed files", data: [] },
  ],
  [
    "/em/pod/image/list",
    "image.list",
    { images: [{ name: "a", tag: "latest", id: "sha256:1", size: 5, created: 1763641872999 }] },
    {
      message: "Successfully loaded list of docker images",
      data: [{ name: "a", tag: "latest", id: "sha256:1", size: 5, created: "2025-11-20T12:31:12Z" }],
    },
  ],
  [
    "/em/pod/status",
    "pod.status",
    { state: { running: { startedAt: "2025-11-20T12:31:12Z" } } },
    {
      message: "Successfully fetched DPhi Pod status",
      data: { state: { running: { startedAt: "2025-11-20T12:31:12Z" } } },
    },
  ],
  [
    "/em/nodes/status",
    "nodes.status",
    { nodes: [{ name: "fpga", status: "True", kind: "FPGA" }] },
    { message: "Nodes retrieved successfully.", data: [{ name: "fpga", status: "True" }] },
  ],
  [
    "/em/pvc/list",
    "volumes.list",
    { volumes: [{ name: "default", size: 9, created: 0 }] },
    {
      message: "Successfully listed volumes",
      data: [{ name: "default", size: 9, created: "1970-01-01T00:00:00Z" }],
    },
  ],
];

async function json(response: Promise<Response> | Response) {
  const answered = await response;
  return { status: answered.status, body: await answered.json() };
}

describe.each(CHANGING)("POST %s", (path, fields, operation, message) => {
  test("as multipart form, url-encoded form and JSON: one and the same request", async () => {
    const inputs: unknown[] = [];
    for (const send of [
      () => em.form(path, fields),
      () => em.fetch(path, { method: "POST", body: new URLSearchParams(fields) }),
      () =>
        em.fetch(path, {
          method: "POST",
          body: JSON.stringify(fields),
          headers: { "content-type": "application/json" },
        }),
    ]) {
      expect(await json(send())).toEqual({ status: 200, body: { message } });
      expect(last()).toMatchObject({
        user: "client1",
        edge: "cg2",
        operation,
        lane: "em",
        admission: "place",
        wait: { kind: "end" },
      });
      inputs.push(last()!.input);
    }
    expect(inputs[1]).toEqual(inputs[0]);
    expect(inputs[2]).toEqual(inputs[0]);
  });

  test("GET is 405 with Allow", async () => {
    const response = await em.fetch(path);
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe("POST");
    expect(await response.json()).toMatchObject({ error: "METHOD_NOT_ALLOWED" });
  });

  test("413 and 415", async () => {
    const large = await em.form(path, { ...fields, extra: "x".repeat(1 << 20) });
    expect(large.status).toBe(413);
    const type = { "content-type": "text/plain" };
    expect(await json(em.fetch(path, { method: "POST", body: "a=1", headers: type }))).toMatchObject({
      status: 415,
      body: { error: "UNSUPPORTED_MEDIA_TYPE" },
    });
    expect(em.dispatch.requests).toEqual([]);
  });

  test("Idempotency-Key goes with the route and a digest of what was meant", async () => {
    await em.form(path, fields, { "idempotency-key": "k1" });
    const first = last()!.idempotency!;
    expect(first.route).toBe(EARLIER_NAMES[operation] ?? operation);
    expect(first).toMatchObject({ key: "k1", digest: expect.stringMatching(/^[0-9a-f]{64}$/) });
    await em.fetch(path, {
      method: "POST",
      body: new URLSearchParams({ ...fields, extra: "1" }),
      headers: { "idempotency-key": "k1" },
    });
    expect(last()!.idempotency).toEqual(first);
    await em.form(path, fields, { "idempotency-key": "k1", "perigee-edge": "cg3" });
    expect(last()!.idempotency!.digest).not.toBe(first.digest);
    expect((await em.form(path, fields, { "idempotency-key": "x".repeat(256) })).status).toBe(400);
  });
});

describe.each(READING)("%s", (path, operation, result, body) => {
  test("GET and POST, slashes doubled or trailing", async () => {
    em.dispatch.outcome = { result };
    const type = { "content-type": "application/json" };
    for (const send of [
      () => em.fetch(path),
      () => em.fetch(`/${path}`),
      () => em.fetch(`${path}/`),
      () => em.fetch(path, { method: "POST" }),
      () => em.fetch(`${path}//`, { method: "POST", body: "{}", headers: type }),
      () => em.form(path, { unknown: "1" }),
    ]) {
      expect(await json(send())).toEqual({ status: 200, body });
      expect(last()).toMatchObject({ user: "client1", edge: "cg2", operation });
    }
  });

  test("other methods are 405", async () => {
    for (const method of ["PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]) {
      const response = await em.fetch(path, { method });
      expect(response.status).toBe(405);
      expect(response.headers.get("allow")).toBe("GET, POST");
    }
    expect(em.dispatch.requests).toEqual([]);
  });
});

describe("which pod and volume", () => {
  const type = { "content-type": "application/json" };

  test.each<[string, Record<string, string>, Record<string, string>]>([
    ["neither", {}, { pod: "default", volume: "default" }],
    ["empty", { pod_name: "", pvc_name: "" }, { pod: "default", volume: "default" }],
    ["pod_name", { pod_name: "pod-a" }, { pod: "pod-a", volume: "pod-a" }],
    ["pvc_name", { pvc_name: "vol-b" }, { pod: "default", volume: "vol-b" }],
    ["both", { pod_name: "pod-a", pvc_name: "vol-b" }, { pod: "pod-a", volume: "vol-b" }],
  ])("%s", async (_name, fields, { pod, volume }) => {
    await em.form("/em/pod/run", { ...RUN, ...fields });
    expect(last()!.input).toMatchObject({ pod, mounts: [{ volume, at: "/data" }] });
    em.dispatch.outcome = { result: { listing: "[]", truncated: false } };
    await em.fetch(`/em/files/list?${new URLSearchParams(fields)}`);
    expect(last()!.input).toEqual({ volume });
    await em.fetch("/em/files/list", { method: "POST", body: JSON.stringify(fields), headers: type });
    expect(last()!.input).toEqual({ volume });
    await em.form("/em/files/list", fields);
    expect(last()!.input).toEqual({ volume });
    em.dispatch.outcome = { result: { state: { waiting: { reason: "Scheduled" } } } };
    await em.fetch(`/em/pod/status?${new URLSearchParams(fields)}`);
    expect(last()!.input).toEqual({ pod });
  });

  test.each(["A", "1a", "a_b", "-a", "a-", "a".repeat(64), "a.b", "../a", "a/b", "a b"])(
    "refuses %j",
    async (name) => {
      for (const field of ["pod_name", "pvc_name"]) {
        const { status, body } = await json(
          em.fetch(`/em/files/list?${new URLSearchParams({ [field]: name })}`),
        );
        expect({ status, body }).toMatchObject({
          status: 400,
          body: { error: "INVALID_PARAMETERS", message: expect.stringContaining(field) },
        });
      }
      expect(em.dispatch.requests).toEqual([]);
    },
  );

  test("pvc/delete never means the default volume by silence", async () => {
    expect((await em.form("/em/pvc/delete", {})).status).toBe(400);
    await em.form("/em/pvc/delete", { pod_name: "a" });
    expect(last()!.input).toEqual({ volume: "a" });
  });
});

describe("pod/run", () => {
  test("every field, in a form", async () => {
    await em.form("/em/pod/run", {
      ...RUN,
      node: "mpu",
      pod_name: "experiment-radiation",
      scheduled_time: "2025-05-22T12:10:00+02:00",
      command: "run 'a b'",
      ports: "[80, 1999, 14, 80]",
      envs: `{'DURATION': 60, "SIZE": 1.50, 'a.b-c': 'x'}`,
      args: "['--debug', '-f', 'output.dat']",
      surprise: "ignored",
    });
    expect(last()!.input).toEqual({
      pod: "experiment-radiation",
      mounts: [{ volume: "experiment-radiation", at: "/data" }],
      image: "python:3.11-alpine",
      kind: "MPU",
      onSameName: "replace",
      maxMs: 30 * 60_000,
      network: "user",
      defaultWorkdir: "/data",
      scheduledAt: Date.parse("2025-05-22T10:10:00Z"),
      command: ["run", "a b"],
      args: ["--debug", "-f", "output.dat"],
      ports: [80, 1999, 14],
      envs: { DURATION: "60", SIZE: "1.50", "a.b-c": "x" },
    });
  });

  test("every field, in JSON", async () => {
    const body = `{"image": "x", "max_duration": 5, "node": "Gpu", "ports": [80], "envs": {"A": 1.10, "B": true},
      "args": ["-v"], "command": null, "scheduled_time": "", "pod_name": "p"}`;
    await em.fetch("/em/pod/run", { method: "POST", body, headers: { "content-type": "application/json" } });
    expect(last()!.input).toEqual({
      pod: "p",
      mounts: [{ volume: "p", at: "/data" }],
      image: "x",
      kind: "GPU",
      onSameName: "replace",
      maxMs: 5 * 60_000,
      network: "user",
      defaultWorkdir: "/data",
      args: ["-v"],
      ports: [80],
      envs: { A: "1.10", B: "true" },
    });
  });

  test("lists as repeated fields, empty ones not given", async () => {
    await em.form("/em/pod/run", { ...RUN, ports: ["80", "443"], args: ["-a", "-b"], envs: "", command: "" });
    expect(last()!.input).toMatchObject({ ports: [80, 443], args: ["-a", "-b"], envs: {} });
    await em.form("/em/pod/run", { ...RUN, ports: "", args: "" });
    expect(last()!.input).not.toHaveProperty("args");
    expect(last()!.input).toMatchObject({ ports: [] });
  });

  test("a command with shell characters goes to the shell", async () => {
    const command = "echo 'is it this simple to run in space?' > hello-space.txt";
    await em.form("/em/pod/run", { ...RUN, command });
    expect(last()!.input).toMatchObject({ command: ["/bin/sh", "-c", command] });
  });

  test.each<[string, Record<string, string | string[]>]>([
    ["image", { image: "" }],
    ["image", { image: "Not An Image" }],
    ["max_duration", { max_duration: "" }],
    ["max_duration", { max_duration: "0" }],
    ["max_duration", { max_duration: "-1" }],
    ["max_duration", { max_duration: "1.5" }],
    ["max_duration", { max_duration: "ten" }],
    ["node", { node: "" }],
    ["node", { node: "CPU" }],
    ["node", { node: "mpu1" }],
    ["scheduled_time", { scheduled_time: "2025-05-22T12:10:00" }],
    ["scheduled_time", { scheduled_time: "soon" }],
    ["ports", { ports: "[0]" }],
    ["ports", { ports: "[65536]" }],
    ["ports", { ports: "['http']" }],
    ["ports", { ports: "[80" }],
    ["envs", { envs: "{'1A': 'x'}" }],
    ["envs", { envs: "{'A B': 'x'}" }],
    ["envs", { envs: "{'': 'x'}" }],
    ["envs", { envs: "A=1" }],
    ["envs", { envs: '{"A": "x\\u0000y"}' }],
    ["envs", { envs: JSON.stringify({ A: "x".repeat(128 * 1024) }) }],
    ["args", { args: "[['a']]" }],
    ["command", { command: "echo 'open", args: "['x']" }],
    ["pod_name", { pod_name: "No" }],
  ])("400 names %s: %j", async (field, fields) => {
    // also while the edge is busy
    em.dispatch.refusal = new PerigeeError("LOCKED", "CG2 is busy");
    const answer = await json(em.form("/em/pod/run", { ...RUN, ...fields }));
    expect(answer).toMatchObject({
      status: 400,
      body: { error: "INVALID_PARAMETERS", message: expect.stringContaining(field) },
    });
  });
});

describe("paths", () => {
  test("delete: a leading slash is the volume's root", async () => {
    await em.form("/em/files/delete", { filepath: "/echo-test//./Dockerfile/" });
    expect(last()!.input).toEqual({ volume: "default", path: "echo-test/Dockerfile" });
  });

  test("delete: out of the volume 403, the root itself 400, nothing 400", async () => {
    const remove = (filepath: string) => json(em.form("/em/files/delete", { filepath }));
    expect(await remove("../x")).toMatchObject({ status: 403, body: { error: "ILLEGAL_PATH" } });
    expect(await remove("/../x")).toMatchObject({ status: 403 });
    for (const root of ["/", ".", "./", "a/.."]) {
      expect(await remove(root)).toMatchObject({ status: 400, body: { error: "DELETE_FAILED" } });
    }
    expect(await remove("")).toMatchObject({ status: 400, body: { error: "INVALID_PARAMETERS" } });
    expect(em.dispatch.requests).toEqual([]);
  });

  test("downlink: no path 400, out of the volume or absolute 403", async () => {
    const get = (query: string) => json(em.fetch(`/em/files/downlink${query}`));
    expect(await get("")).toMatchObject({ status: 400, body: { error: "INVALID_PARAMETERS" } });
    expect(await get("?filepath=")).toMatchObject({ status: 400 });
    expect(await get("?filepath=a%00b")).toMatchObject({ status: 400 });
    for (const path of ["../a", "/etc/passwd", "a/../../b"]) {
      expect(await get(`?filepath=${encodeURIComponent(path)}`)).toMatchObject({
        status: 403,
        body: { error: "ILLEGAL_PATH" },
      });
    }
    expect(em.dispatch.requests).toEqual([]);
  });

  test("build and load: a path out of the volume fails as a missing one does", async () => {
    for (const bad of ["../x", "/x"]) {
      expect(
        await json(em.form("/em/pod/image/build", { dockerfile: bad, context: ".", image: "x" })),
      ).toMatchObject({
        status: 400,
        body: {
          error: "BUILD_FAILED",
          message: "Docker build failed",
          log_tail: [expect.stringContaining("dockerfile")],
        },
      });
      expect(await json(em.form("/em/pod/image/load", { tarfile: bad, image: "x" }))).toMatchObject({
        status: 400,
        body: {
          error: "IMAGE_LOAD_FAILED",
          message: "Docker Image tarfile failed to load",
          log_tail: [expect.any(String)],
        },
      });
    }
    expect(em.dispatch.requests).toEqual([]);
  });

  test("build and load: image names without host and digest, tag latest by default", async () => {
    await em.form("/em/pod/image/build", {
      dockerfile: "d/Dockerfile",
      context: ".",
      image: "x",
      pod_name: "p",
    });
    expect(last()!.input).toEqual({
      source: { volume: "p" },
      dockerfile: "d/Dockerfile",
      context: "",
      image: "x:latest",
    });
    await em.form("/em/pod/image/load", { tarfile: "./i.tar", image: "x:1" });
    expect(last()!.input).toEqual({ volume: "default", tarfile: "i.tar", image: "x:1" });
    for (const image of ["host.io/x", "X", ""]) {
      expect((await em.form("/em/pod/image/build", { dockerfile: "d", context: ".", image })).status).toBe(
        400,
      );
      expect((await em.form("/em/pod/image/load", { tarfile: "i", image })).status).toBe(400);
      expect((await em.form("/em/pod/image/delete", { image })).status).toBe(400);
    }
  });
});

describe("answers", () => {
  test("423 as the contract says", async () => {
    const data = { operation: "pod.run", since: "2025-11-20T12:31:12Z", command_id: COMMAND_ID };
    em.dispatch.refusal = new PerigeeError("LOCKED", "CG2 is busy", { data: { data } });
    for (const [path] of READING) {
      const response = await em.fetch(path);
      expect(response.status).toBe(423);
      expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
      expect(await response.json()).toEqual({ error: "LOCKED", message: "CG2 is busy", data });
    }
  });

  test.each([
    ["EM_UNREACHABLE", 503],
    ["QUEUE_FULL", 429],
  ] as const)("%s is %i with Retry-After", async (code, status) => {
    em.dispatch.refusal = new PerigeeError(code, "no");
    const response = await em.fetch("/em/nodes/status");
    expect(response.status).toBe(status);
    expect(response.headers.has("retry-after")).toBe(true);
  });

  test("a failure's data is beside its code, log_tail for one", async () => {
    em.dispatch.outcome = {
      failure: { code: "BUILD_FAILED", message: "Docker build failed", data: { log_tail: ["#1\n"] } },
    };
    expect(await json(em.form("/em/pod/image/build", { dockerfile: "d", context: ".", image: "x" }))).toEqual(
      {
        status: 400,
        body: { error: "BUILD_FAILED", message: "Docker build failed", log_tail: ["#1\n"] },
      },
    );
  });

  test("500 names the command", async () => {
    em.dispatch.outcome = { failure: { code: "INTERNAL_ERROR", message: "Internal error" } };
    expect(await json(em.fetch("/em/nodes/status"))).toEqual({
      status: 500,
      body: { error: "INTERNAL_ERROR", message: "Internal error", command_id: COMMAND_ID },
    });
  });

  test("Prefer: passed on, 202 with Location, position and Preference-Applied", async () => {
    em.dispatch.outcome = { accepted: true };
    const response = await em.fetch("/em/nodes/status", { headers: { prefer: "wait=5" } });
    expect(last()).toMatchObject({ admission: "queue", wait: { kind: "most", ms: 5000 } });
    expect(response.status).toBe(202);
    expect(response.headers.get("location")).toBe(`/commands/${COMMAND_ID}`);
    expect(response.headers.get("preference-applied")).toBe("wait=5");
    expect(await response.json()).toMatchObject({
      data: { command_id: COMMAND_ID, state: "queued", position: 3 },
    });
  });

  test("a wait that was long enough is the contract's answer, with Preference-Applied", async () => {
    em.dispatch.outcome = { result: { nodes: [] } };
    const response = await em.fetch("/em/nodes/status", { headers: { prefer: "wait=5" } });
    expect(response.status).toBe(200);
    expect(response.headers.get("preference-applied")).toBe("wait=5");
  });

  test("an edge that is not granted is 404", async () => {
    const headers = { "perigee-edge": "other" };
    expect(await json(em.fetch("/em/nodes/status", { headers }))).toMatchObject({
      status: 404,
      body: { error: "EDGE_NOT_FOUND" },
    });
  });
});
