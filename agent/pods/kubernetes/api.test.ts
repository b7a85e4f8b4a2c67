import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { KubernetesApi } from "./api.ts";
import { KubernetesRefusal } from "./errors.ts";
import { PodWatch } from "./watch.ts";

type Answer = (request: IncomingMessage, response: ServerResponse, url: URL) => void;

let server: Server;
let directory: string;
let api: KubernetesApi;
let answer: Answer;
const asked: string[] = [];
beforeEach(async () => {
  asked.length = 0;
  server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    answer(request, response, new URL(request.url ?? "", "http://server"));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  directory = mkdtempSync(join(tmpdir(), "perigee-api-"));
  const kubeconfig = join(directory, "config");
  const { port } = server.address() as AddressInfo;
  const cluster = { server: `http://127.0.0.1:${port}`, "insecure-skip-tls-verify": true };
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      clusters: [{ name: "c", cluster }],
      users: [{ name: "u", user: { token: "secret-token" } }],
      contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
      "current-context": "x",
    }),
  );
  api = await KubernetesApi.open({ kubeconfig });
});
afterEach(async () => {
  api.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(directory, { recursive: true });
});

const json = (response: ServerResponse, status: number, body: object) =>
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));

describe("calls", () => {
  test("carry the kubeconfig's token and a JSON body; the answer is read", async () => {
    answer = async (request, response) => {
      let body = "";
      for await (const chunk of request) body += chunk;
      json(response, 201, {
        token: request.headers.authorization,
        type: request.headers["content-type"],
        body,
      });
    };
    const said = await api.apply("/api/v1/namespaces/a", { kind: "Namespace" });
    expect(said).toEqual({
      token: "Bearer secret-token",
      type: "application/apply-patch+yaml",
      body: '{"kind":"Namespace"}',
    });
    expect(asked).toEqual(["PATCH /api/v1/namespaces/a?fieldManager=perigee&force=true"]);
  });

  test("a refusal keeps status, reason and message", async () => {
    answer = (_request, response) => json(response, 409, { reason: "AlreadyExists", message: "it is there" });
    const error = await api.call("/x", { method: "POST", body: {} }).catch((error) => error);
    expect(error).toBeInstanceOf(KubernetesRefusal);
    expect(error).toMatchObject({ status: 409, reason: "AlreadyExists", message: "it is there" });
  });

  test.each([500, 503, 429])("%i is a server that is not there", async (status) => {
    answer = (_request, response) => json(response, status, { message: "later" });
    await expect(api.call("/x")).rejects.toMatchObject({ code: "ENGINE_UNAVAILABLE" });
  });

  test("a server that takes the call and never answers is not waited for, nor one that stops within", async () => {
    answer = () => {};
    await expect(api.call("/x", { timeoutMs: 50 })).rejects.toMatchObject({ code: "ENGINE_UNAVAILABLE" });
    answer = (_request, response) => void response.writeHead(200).write('{"half":');
    await expect(api.call("/x", { timeoutMs: 50 })).rejects.toMatchObject({ code: "ENGINE_UNAVAILABLE" });
    answer = (request) => void request.socket.destroy();
    await expect(api.call("/x")).rejects.toMatchObject({ code: "ENGINE_UNAVAILABLE" });
  });

  test("a connection that was closed while idle is no failure", async () => {
    answer = (_request, response) => json(response, 200, {});
    await api.call("/first");
    let cut = false;
    answer = (request, response) => {
      if (cut) return void json(response, 200, { ok: true });
      cut = true;
      request.socket.resetAndDestroy();
    };
    expect(await api.call("/second")).toEqual({ ok: true });
  });

  test("the caller's signal ends a call with its own reason", async () => {
    answer = () => {};
    const controller = new AbortController();
    const called = api.call("/x", { signal: controller.signal });
    controller.abort(new Error("mine"));
    await expect(called).rejects.toThrow("mine");
  });

  test("lists are read page by page", async () => {
    answer = (_request, response, url) => {
      const from = Number(url.searchParams.get("continue") ?? 0);
      const metadata = { resourceVersion: "7", ...(from < 2 && { continue: String(from + 1) }) };
      json(response, 200, { items: [from], metadata });
    };
    expect(await api.list("/x")).toEqual({ items: [0, 1, 2], resourceVersion: "7" });
  });
});

describe("the watch", () => {
  const pod = (name: string, version: number) => ({
    metadata: { name, uid: name, resourceVersion: String(version) },
  });
  const event = (type: string, object: object) => `${JSON.stringify({ type, object })}\n`;

  test("lists, tells what is there, goes on from there, and lists again when that is too old", async () => {
    const seen: string[] = [];
    const closing = new AbortController();
    let watches = 0;
    let done = () => {};
    const enough = new Promise<void>((resolve) => {
      done = resolve;
    });
    answer = (_request, response, url) => {
      if (!url.searchParams.has("watch")) {
        return void json(response, 200, {
          items: [pod(`listed${watches}`, 5)],
          metadata: { resourceVersion: "5" },
        });
      }
      watches += 1;
      expect(url.searchParams.get("resourceVersion")).toBe("5");
      response.writeHead(200);
      if (watches === 1) {
        response.write(event("MODIFIED", pod("changed", 6)));
        response.write(event("BOOKMARK", pod("", 8)).slice(0, 10));
        response.write(event("BOOKMARK", pod("", 8)).slice(10));
        response.end(event("ERROR", { code: 410, metadata: {} }));
      } else {
        response.write(event("DELETED", pod("gone", 9)));
      }
    };
    const watch = new PodWatch(api, "a=b", closing.signal);
    const end = watch.listen((told) => {
      seen.push(told ? `${told.deleted ? "-" : ""}${told.pod.metadata.name}` : "all");
      if (told?.deleted) done();
    });
    await enough;
    end();
    closing.abort();
    expect(seen).toEqual(["listed0", "all", "changed", "listed1", "all", "-gone"]);
    expect(asked.every((line) => line.includes("labelSelector=a%3Db"))).toBe(true);
  });

  test("who listens later is told to look at all, once it stands", async () => {
    const closing = new AbortController();
    answer = (_request, response, url) => {
      if (!url.searchParams.has("watch")) {
        return void json(response, 200, { items: [], metadata: { resourceVersion: "1" } });
      }
      response.writeHead(200).flushHeaders();
    };
    const watch = new PodWatch(api, "a=b", closing.signal);
    await new Promise<void>((resolve) => watch.listen((told) => told === undefined && resolve()));
    await new Promise<void>((resolve) => watch.listen((told) => told === undefined && resolve()));
    expect(asked).toHaveLength(2);
    closing.abort();
  });
});
