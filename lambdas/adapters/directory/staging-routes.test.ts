import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readdir, readlink, rm } from "node:fs/promises";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { buffer } from "node:stream/consumers";
import { type ServerType, serve } from "@hono/node-server";
import { Hono } from "hono";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { MiB } from "#protocol/limits.ts";
import { DirectoryStaging } from "./staging.ts";
import { stagingRoutes } from "./staging-routes.ts";

describe("stagingRoutes", () => {
  let root: string;
  let staging: DirectoryStaging;
  let server: ServerType;
  let base: string;

  const start = async (freeFloorBytes = 0) => {
    staging = await DirectoryStaging.open(root, { secret: "s".repeat(32), freeFloorBytes });
    const app = new Hono().route("/", stagingRoutes(staging));
    server = serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" });
    await once(server, "listening");
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  /** files that this process holds open under the staging directory, or that are half written */
  const busy = async () => {
    const links = await Promise.all(
      (await readdir("/proc/self/fd")).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => "")),
    );
    const half = await readdir(path.join(root, "tmp"), { recursive: true, withFileTypes: true });
    return [...links.filter((link) => link.startsWith(root)), ...half.filter((entry) => entry.isFile())];
  };

  beforeEach(async () => {
    root = await mkdtemp(path.join(tmpdir(), "staging-routes-"));
    await start();
  });
  afterEach(async () => {
    (server as http.Server).closeAllConnections();
    await new Promise((closed) => server.close(closed));
    await rm(root, { recursive: true, force: true });
  });

  it("answers a PUT with size and hash", async () => {
    const url = await staging.signPut("downlink/a/_/c/0", 60, 5);
    const response = await fetch(base + url, { method: "PUT", body: "hello" });
    expect(await response.json()).toEqual({ size: 5, xxh64: "26c7827d889f6da3" });
  });

  it("answers HEAD without opening anything", async () => {
    await staging.put("k", Buffer.from("hello"), { maxBytes: 10 });
    const response = await fetch(base + (await staging.signGet("k", 60)), { method: "HEAD" });
    expect(response.headers.get("content-length")).toBe("5");
    expect(await response.text()).toBe("");
    expect(await busy()).toEqual([]);
  });

  it("tells with a 416 how large the object is", async () => {
    await staging.put("k", Buffer.from("hello"), { maxBytes: 10 });
    const headers = { range: "bytes=5-" };
    const response = await fetch(base + (await staging.signGet("k", 60)), { headers });
    expect([response.status, response.headers.get("content-range")]).toEqual([416, "bytes */5"]);
    await response.arrayBuffer();
  });

  it("sends what cannot be taken for a page or be cached", async () => {
    await staging.put("k", Buffer.from("<script>"), { maxBytes: 10 });
    const { headers } = await fetch(base + (await staging.signGet("k", 60)));
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("content-type")).toBe("application/octet-stream");
    expect(headers.get("cache-control")).toContain("no-store");
  });

  it.each([
    [
      "a byte of the signature",
      (url: string) => url.replace(/signature=./, (s) => `signature=${s.endsWith("A") ? "B" : "A"}`),
    ],
    ["the expiry", (url: string) => url.replace(/expires=\d+/, "expires=99999999999")],
    ["the size", (url: string) => url.replace(/max=\d+/, "max=999999999")],
    ["the key", (url: string) => url.replace("/staging/k", "/staging/l")],
    ["the key, to a parent", (url: string) => url.replace("/staging/k", "/staging/x/%2e%2e%2fk")],
    ["the key, to nonsense", (url: string) => url.replace("/staging/k", "/staging/%ff")],
    ["the signature, to none", (url: string) => url.replace(/&signature=.*/, "")],
    ["the signature, to an empty one", (url: string) => url.replace(/signature=.*/, "signature=")],
  ])("refuses a URL that had changed: %s", async (_what, change) => {
    const url = await staging.signPut("k", 60, 10);
    expect(change(url)).not.toBe(url);
    const response = await fetch(base + change(url), { method: "PUT", body: "evil" });
    expect(response.status).toBe(403);
    expect(await response.json()).toEqual({ error: "SIGNATURE_INVALID", message: expect.any(String) });
    expect(await staging.list("")).toEqual([]);
  });

  it("refuses too much by Content-Length, before it is sent", async () => {
    const url = await staging.signPut("k", 60, 10);
    const request = http.request(base + url, { method: "PUT", headers: { "content-length": 11 } });
    request.on("error", () => {});
    request.flushHeaders();
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    expect(response.statusCode).toBe(413);
    expect(JSON.parse(String(await buffer(response)))).toMatchObject({ error: "BODY_TOO_LARGE" });
    request.destroy();
  });

  it("refuses too much by counting, and answers while the client still sends", async () => {
    const url = await staging.signPut("k", 60, 10);
    const request = http.request(base + url, { method: "PUT" });
    request.on("error", () => {});
    request.write(randomBytes(100));
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    expect(response.statusCode).toBe(413);
    expect(JSON.parse(String(await buffer(response)))).toMatchObject({ error: "BODY_TOO_LARGE" });
    request.destroy();
    expect(await staging.list("")).toEqual([]);
    expect(await busy()).toEqual([]);
  });

  it("answers 507 at the free-space floor", async () => {
    await new Promise((closed) => server.close(closed));
    await start(Number.MAX_SAFE_INTEGER);
    const response = await fetch(base + (await staging.signPut("k", 60, 10)), { method: "PUT", body: "x" });
    expect(response.status).toBe(507);
    expect(await response.json()).toMatchObject({ error: "STORAGE_FULL" });
  });

  it("cleans up when a client stops in the middle of a PUT", async () => {
    const url = await staging.signPut("k", 60, 100 * MiB);
    const request = http.request(base + url, { method: "PUT", headers: { "content-length": 50 * MiB } });
    request.on("error", () => {});
    request.write(randomBytes(4 * MiB));
    await vi.waitFor(async () => expect((await busy()).length).toBeGreaterThan(0), { timeout: 90_000 });
    request.destroy();
    await vi.waitFor(async () => expect(await busy()).toEqual([]), { timeout: 90_000 });
    expect(await staging.list("")).toEqual([]);
  });

  it("cleans up when a client stops in the middle of a GET", async () => {
    await staging.put("k", Buffer.alloc(64 * MiB), { maxBytes: 100 * MiB });
    const request = http.get(base + (await staging.signGet("k", 60)));
    request.on("error", () => {});
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    response.on("error", () => {});
    await once(response, "readable");
    expect((await busy()).length).toBeGreaterThan(0);
    response.destroy();
    await vi.waitFor(async () => expect(await busy()).toEqual([]), { timeout: 90_000 });
  });

  it("works on plain Fetch requests too", async () => {
    const app = stagingRoutes(staging);
    const put = await app.request(await staging.signPut("k", 60, 10), { method: "PUT", body: "hello" });
    expect(put.status).toBe(200);
    const got = await app.request(await staging.signGet("k", 60), { headers: { range: "bytes=1-2" } });
    expect([got.status, await got.text()]).toEqual([206, "el"]);
    const empty = await app.request(await staging.signPut("none", 60, 10), { method: "PUT" });
    expect(await empty.json()).toMatchObject({ size: 0 });
  });
});
