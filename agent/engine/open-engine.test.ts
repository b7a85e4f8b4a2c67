import { mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import net, { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import type Docker from "dockerode";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { IllegalPath } from "../checked-path.ts";
import { engineCall } from "./engine-call.ts";
import { openEngine } from "./open-engine.ts";

/** An engine that answers as the test says, and a listener that nobody must ever reach. */
const directory = mkdtempSync(join(tmpdir(), "perigee-engine-"));
const socketPath = join(directory, "engine.sock");
let answer: http.RequestListener;
const asked: string[] = [];
const engine = http.createServer((request, response) => {
  asked.push(`${request.method} ${request.url}`);
  answer(request, response);
});
let reached = 0;
const elsewhere = net.createServer((socket) => {
  reached += 1;
  socket.destroy();
});
let docker: Docker;

beforeAll(async () => {
  await new Promise<void>((resolve) => engine.listen(socketPath, resolve));
  await new Promise<void>((resolve) => elsewhere.listen(0, "127.0.0.1", resolve));
  docker = openEngine({ socketPath });
});
beforeEach(() => {
  answer = (_, response) => response.end("[]");
  asked.length = 0;
});
afterEach(() => expect(reached).toBe(0));
afterAll(async () => {
  engine.closeAllConnections();
  await new Promise((resolve) => engine.close(resolve));
  await new Promise((resolve) => elsewhere.close(resolve));
  rmSync(directory, { recursive: true });
});

const port = () => (elsewhere.address() as AddressInfo).port;

describe("openEngine", () => {
  test("asks as dockerode does: JSON, queries, bodies, statuses", async () => {
    answer = (request, response) => {
      if (request.url === "/containers/none/json")
        return response.writeHead(404).end('{"message":"no such"}');
      if (request.url === "/containers/run/start") return response.writeHead(304).end();
      const chunks: Buffer[] = [];
      request.on("data", (chunk) => chunks.push(chunk));
      request.on("end", () =>
        response
          .writeHead(request.method === "POST" ? 201 : 200)
          .end(JSON.stringify({ Id: "x", url: request.url, body: `${Buffer.concat(chunks)}` })),
      );
    };
    const list = await docker.listContainers({ all: true, filters: { label: ["a=../x?y"] } });
    expect(list).toMatchObject({
      url: `/containers/json?all=true&filters=${encodeURIComponent('{"label":["a=../x?y"]}').replace(/%20/g, "+")}`,
    });
    const made = await docker.createContainer({ Image: "x", Labels: { "perigee.run": "x/../y" } });
    expect(made.id).toBe("x");
    await expect(docker.getContainer("none").inspect()).rejects.toMatchObject({
      statusCode: 404,
      json: { message: "no such" },
    });
    await expect(docker.getContainer("run").start()).rejects.toMatchObject({ statusCode: 304 });
  });

  test.each([
    "x/../y",
    "x/../../127.0.0.1:1/x",
    "..",
    "",
    "x?force=1&",
    "x#",
    "%2e%2e",
    "x y",
    "x\r\nHost: y",
    "x//y",
    "\u00a0",
    "x\\..\\y",
  ])("sends nothing for a container called %j", async (name) => {
    for (const call of [
      () => docker.getContainer(name).inspect(),
      () => docker.getContainer(name).remove({ force: true }),
      () => docker.getContainer(name).stop(),
      () => docker.getImage(name).remove(),
      () => docker.getNetwork(name).remove(),
      () => docker.getVolume(name).inspect(),
      () => docker.getContainer(name).logs({ follow: true, stdout: true }),
    ]) {
      await expect(call()).rejects.toBeInstanceOf(IllegalPath);
    }
    expect(asked).toEqual([]);
  });

  test.each([301, 302, 303, 307, 308])("follows no redirect: %i is a failure", async (status) => {
    const locations = [
      `http://127.0.0.1:${port()}/x`,
      `//127.0.0.1:${port()}/x`,
      "/containers/json",
      `ftp://127.0.0.1:${port()}/`,
      "",
      "http://",
    ];
    for (const location of locations) {
      answer = (_, response) => response.writeHead(status, { location }).end("moved");
      await expect(docker.getContainer("x").inspect()).rejects.toMatchObject({ statusCode: status });
      await expect(docker.getContainer("x").remove()).rejects.toMatchObject({ statusCode: status });
      await expect(docker.getEvents()).rejects.toMatchObject({ statusCode: status });
    }
    expect(asked).toHaveLength(3 * locations.length);
  });

  test("an image that another call removed first is not there, though the engine says 500", async () => {
    answer = (_, response) =>
      response
        .writeHead(500)
        .end(JSON.stringify({ message: `unrecognized image ID sha256:${"a".repeat(64)}` }));
    await expect(docker.getImage("x").remove()).rejects.toMatchObject({ statusCode: 404 });
    answer = (_, response) => response.writeHead(500).end('{"message":"no space left"}');
    await expect(docker.getImage("x").remove()).rejects.toMatchObject({ statusCode: 500 });
  });

  test("an answer that breaks off is an error, and so is what is no HTTP", async () => {
    answer = (_, response) => {
      response.writeHead(200, { "content-length": 100 });
      response.write("[");
      response.once("drain", () => undefined);
      setImmediate(() => response.destroy());
    };
    await expect(docker.listContainers()).rejects.toMatchObject({ code: "ECONNRESET" });
    const stream = (await docker.getEvents()) as Readable;
    await expect(stream.toArray()).rejects.toMatchObject({ code: "ECONNRESET" });
    answer = (request) => request.socket.end("no HTTP at all\r\n\r\n");
    await expect(docker.listContainers()).rejects.toThrow();
    answer = (request) => request.socket.destroy();
    await expect(docker.listContainers()).rejects.toMatchObject({ code: "ECONNRESET" });
  });

  test("a stream whose taker has left breaks without ending the process", async () => {
    let broken: (() => void) | undefined;
    answer = (_, response) => {
      response.writeHead(200).write("{}\n");
      broken = () => response.destroy();
    };
    const stream = (await docker.getEvents()) as Readable;
    const closed = new Promise((resolve) => stream.once("close", resolve));
    stream.resume();
    broken!();
    await closed;
  });

  test("a call that only asks is given up when nothing answers, and holds no socket", async () => {
    const closed = Promise.withResolvers<void>();
    answer = (_, response) => response.on("close", () => closed.resolve());
    const hasty = openEngine({ socketPath }, 50);
    const given = await engineCall(() => hasty.getImage("x").inspect()).catch((error: unknown) => error);
    expect(given).toMatchObject({ code: "ENGINE_UNAVAILABLE" });
    await closed.promise;
    // a wait may take as long as its container
    answer = (_, response) => setTimeout(() => response.end('{"StatusCode":0}'), 200);
    expect(await hasty.getContainer("x").wait()).toEqual({ StatusCode: 0 });
  });

  test("is never found by SSH", () => {
    expect(() => openEngine({ protocol: "ssh", host: "example" })).toThrow(/not supported/);
  });
});
