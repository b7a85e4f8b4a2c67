import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { EmServer } from "#test/support/em-server.ts";
import { RawConnection } from "#test/support/raw-http.ts";

let em: EmServer;
beforeEach(async () => {
  em = await EmServer.start();
});
afterEach(() => em.stop());

const RUN = { image: "python:3.11-alpine", max_duration: "30", node: "MPU" };
const last = () => em.dispatch.requests.at(-1);

describe("a request that names its pod in another way than most", () => {
  const PATHS = [
    "/em/files/delete",
    "/em/pod/image/build",
    "/em/pod/image/load",
    "/em/pod/run",
    "/em/pod/stop",
    "/em/pvc/delete",
    "/em/files/list",
    "/em/pod/status",
  ];
  const FIELDS = { ...RUN, image: "a", filepath: "f", dockerfile: "d", context: "c", tarfile: "t" };
  const json = (body: string) => ({ method: "POST", body, headers: { "content-type": "application/json" } });
  const form = (pod: string | Blob, name = "pod_name", file?: string) => {
    const body = new FormData();
    for (const [field, value] of Object.entries(FIELDS)) body.append(field, value);
    if (typeof pod === "string") body.append(name, pod);
    else body.append(name, pod, file);
    return { method: "POST", body };
  };
  const named = (path: string) => {
    if (path.startsWith("/em/pod/st")) return { pod: "pod-a" };
    if (path === "/em/pod/run") return { mounts: [{ volume: "pod-a", at: "/data" }] };
    return path === "/em/pod/image/build" ? { source: { volume: "pod-a" } } : { volume: "pod-a" };
  };
  const all = JSON.stringify({ ...FIELDS, pod_name: "pod-a" });

  test.each(PATHS)("%s acts on that pod", async (path) => {
    const ways: [string, RequestInit][] = [
      [path, form(new Blob(["pod-a"]))],
      [path, form(new Blob(["pod-a"], { type: "text/plain; charset=utf-8" }), "pod_name", "pod_name")],
      [`${path}?pod_name=pod-a`, json(JSON.stringify(FIELDS))],
      [`${path}?pod_name=pod-a`, json(all)],
      [path, json(`\ufeff${all}`)],
      [path, { ...json(all), headers: { "content-type": "Application/Problem+JSON; charset=iso-8859-1" } }],
    ];
    for (const [url, init] of ways) {
      await em.fetch(url, init);
      expect(last()!.input).toMatchObject(named(path));
    }
    expect(em.dispatch.requests).toHaveLength(ways.length);
  });

  test.each(PATHS)("%s refuses what it does not understand, and acts on none", async (path) => {
    const encoded = "application/x-www-form-urlencoded";
    const latin1 = Buffer.from(`pod_name=caf\xe9&${new URLSearchParams(FIELDS)}`, "latin1");
    const ways: [string, RequestInit][] = [
      [`${path}?pod_name=pod-b`, json(all)],
      [`${path}?pod_name=a&pod_name=b`, json(JSON.stringify(FIELDS))],
      [`${path}?podName=a`, json(JSON.stringify(FIELDS))],
      [`${path}?pod_name=caf%E9`, json(JSON.stringify(FIELDS))],
      [path, form("x", "podName")],
      [path, form("x", "pod_name[]")],
      [path, form(new Blob(["x"]), "Pod_Name", "x")],
      [path, form(new Blob([Buffer.from("caf\xe9", "latin1")]))],
      [path, json(JSON.stringify({ ...FIELDS, data: { pod_name: "a" } }))],
      [path, json(JSON.stringify({ ...FIELDS, data: { attributes: { pvcName: "a" } } }))],
      [path, json(`{"pod_name": "a", ${all.slice(1)}`)],
      [path, json(`{"pod_name": "\\ud800", ${JSON.stringify(FIELDS).slice(1)}`)],
      [path, { ...json(all), headers: { "content-type": encoded } }],
      [path, { method: "POST", body: latin1, headers: { "content-type": encoded } }],
      [
        path,
        {
          method: "POST",
          body: Buffer.from(all, "utf16le"),
          headers: { "content-type": "application/json" },
        },
      ],
    ];
    for (const [url, init] of ways) {
      const response = await em.fetch(url, init);
      expect([response.status, await response.json()]).toEqual([
        400,
        expect.objectContaining({ error: "INVALID_PARAMETERS" }),
      ]);
    }
    expect(em.dispatch.requests).toEqual([]);
  });

  test.each(PATHS)("%s refuses a body that is encoded", async (path) => {
    for (const [name, value] of [
      ["content-encoding", "gzip"],
      ["content-encoding", "identity, br"],
      ["content-transfer-encoding", "base64"],
      ["content-range", "bytes 0-9/20"],
    ] as const) {
      const { headers, ...init } = json(all);
      const response = await em.fetch(path, { ...init, headers: { ...headers, [name]: value } });
      expect([response.status, await response.json()]).toEqual([
        415,
        expect.objectContaining({ error: "UNSUPPORTED_MEDIA_TYPE", message: expect.stringContaining(name) }),
      ]);
    }
    expect(em.dispatch.requests).toEqual([]);
  });

  test("the body of a GET counts", async () => {
    const raw = await RawConnection.open(em.port);
    const body = "pod_name=pod-a";
    await raw.write(
      `GET /em/files/list HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    await raw.until(/^HTTP\/1\.1 /);
    expect(last()!.input).toEqual({ volume: "pod-a" });
    raw.close();
  });

  test("a transfer encoding that Node hands on undone is refused", async () => {
    const raw = await RawConnection.open(em.port);
    await raw.write(
      `POST /em/pod/stop HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
    );
    await raw.until(/^HTTP\/1\.1 415 /);
    expect(em.dispatch.requests).toEqual([]);
    raw.close();
  });
});
