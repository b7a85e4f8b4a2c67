import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { EmServer } from "#test/support/em-server.ts";

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
