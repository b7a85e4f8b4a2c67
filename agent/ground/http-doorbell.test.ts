import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { type ServerType, serve } from "@hono/node-server";
import { Hono } from "hono";
import { afterEach, describe, expect, it } from "vitest";
import { doorbellRoutes } from "#lambdas/adapters/long-poll/doorbell-routes.ts";
import { MemoryDoorbell } from "#lambdas/adapters/long-poll/memory-doorbell.ts";
import { doorbellConformance } from "#test/conformance/doorbell.ts";
import { HttpDoorbell } from "./http-doorbell.ts";

/** The token of an edge is its name here. */
async function startGround(hub: MemoryDoorbell): Promise<{ server: ServerType; url: string }> {
  const app = new Hono<{ Variables: { edge: string } }>();
  app.use("/agent/*", (c, next) => {
    c.set("edge", c.req.header("authorization")?.replace("Bearer ", "") ?? "");
    return next();
  });
  app.route("/agent", doorbellRoutes(hub));
  const server = serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" });
  await once(server, "listening");
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

async function stop(server: ServerType | http.Server): Promise<void> {
  (server as http.Server).closeAllConnections();
  await new Promise((closed) => server.close(closed));
}

doorbellConformance("HTTP long poll", async () => {
  const doorbell = new MemoryDoorbell();
  const { server, url } = await startGround(doorbell);
  return {
    doorbell,
    listen: (edge) => new HttpDoorbell({ ground: url, token: edge }),
    close: () => stop(server),
  };
});

describe("HttpDoorbell", () => {
  const servers: (ServerType | http.Server)[] = [];
  afterEach(async () => {
    for (const server of servers.splice(0)) await stop(server);
  });

  /** A ground that answers every poll as told, and counts them. */
  const answering = async (answer: http.RequestListener) => {
    const ground = { polls: 0, requests: [] as http.IncomingMessage[], url: "" };
    const server = http.createServer((request, response) => {
      ground.polls++;
      ground.requests.push(request);
      answer(request, response);
    });
    servers.push(server.listen(0, "127.0.0.1"));
    await once(server, "listening");
    ground.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return ground;
  };
  const status =
    (code: number): http.RequestListener =>
    (_request, response) =>
      response.writeHead(code).end("<html>");

  const rung: http.RequestListener = (_request, response) =>
    response.writeHead(200, { "Perigee-Ring": "x.1" }).end();

  it("asks with its token, for at most 20 seconds", async () => {
    const ground = await answering(rung);
    const bell = new HttpDoorbell({ ground: `${ground.url}/base/`, token: () => "secret" });
    expect(await bell.wait(60_000)).toBe(true);
    expect(ground.requests[0]).toMatchObject({
      method: "GET",
      url: "/base/agent/doorbell?wait=20.000&after=",
    });
    expect(ground.requests[0]!.headers.authorization).toBe("Bearer secret");
  });

  it.each([200, 401, 404, 500, 503, 302])("neither throws nor spins on %d", async (code) => {
    const ground = await answering(status(code));
    const errors: Error[] = [];
    const bell = new HttpDoorbell({
      ground: ground.url,
      token: "t",
      pauseMs: { first: 50, longest: 10_000 },
      random: () => 1,
      onError: (error) => errors.push(error),
    });
    expect(await bell.wait(300)).toBe(false);
    // pauses of 50, 100, 200: four polls at the most
    expect(ground.polls).toBeGreaterThan(0);
    expect(ground.polls).toBeLessThanOrEqual(4);
    expect(errors).toHaveLength(ground.polls);
  });

  it("does not spin on a 204 that did not wait", async () => {
    const ground = await answering(status(204));
    const bell = new HttpDoorbell({
      ground: ground.url,
      token: "t",
      pauseMs: { first: 50, longest: 10_000 },
      random: () => 1,
    });
    expect(await bell.wait(300)).toBe(false);
    // the last, shortest one may look honest
    expect(ground.polls).toBeLessThanOrEqual(5);
  });

  it("says with its next poll which ring arrived", async () => {
    const ground = await answering((_request, response) => {
      response.writeHead(200, { "Perigee-Ring": `ring ${ground.polls}` }).end();
    });
    const bell = new HttpDoorbell({ ground: ground.url, token: "t" });
    for (let i = 0; i < 3; i++) expect(await bell.wait(1000)).toBe(true);
    const after = ground.requests.map(({ url }) => new URL(url!, ground.url).searchParams.get("after"));
    expect(after).toEqual(["", "ring 1", "ring 2"]);
  });

  it("gives a silent connection up", async () => {
    const ground = await answering(() => {});
    const bell = new HttpDoorbell({ ground: ground.url, token: "t", graceMs: 20 });
    expect(await bell.wait(100)).toBe(false);
    expect(ground.polls).toBeGreaterThanOrEqual(1);
  });

  it("hears again once the ground is back", async () => {
    let up = false;
    const ground = await answering((_request, response) => {
      if (!up) response.destroy();
      else response.writeHead(200, { "Perigee-Ring": "x.1" }).end();
      up = true;
    });
    const bell = new HttpDoorbell({ ground: ground.url, token: "t", pauseMs: { first: 1, longest: 10 } });
    expect(await bell.wait(30_000)).toBe(true);
  });

  it("bears a ground that is not there, and an address that is none", async () => {
    for (const ground of ["http://127.0.0.1:1", "nonsense"]) {
      expect(await new HttpDoorbell({ ground, token: "t" }).wait(50)).toBe(false);
    }
  });

  it("gets a ring again whose answer was lost with its connection", async () => {
    const hub = new MemoryDoorbell();
    const { server, url } = await startGround(hub);
    servers.push(server);
    const bell = new HttpDoorbell({ ground: url, token: "e" });
    for (let i = 0; i < 10; i++) {
      const abort = new AbortController();
      const asked = once(server as http.Server, "request");
      const gone = bell.wait(20_000, abort.signal);
      await asked;
      abort.abort();
      expect(await gone).toBe(false);
      // the ground does not know yet that its client has gone
      await hub.ring("e");
      expect(await bell.wait(15_000)).toBe(true);
    }
    expect(await bell.wait(50)).toBe(false);
  });

  it("is rung once by a ground that was restarted, for rings may have been lost", async () => {
    const before = new MemoryDoorbell();
    const first = await startGround(before);
    const bell = new HttpDoorbell({ ground: first.url, token: "e", pauseMs: { first: 1, longest: 10 } });
    await before.ring("e");
    expect(await bell.wait(15_000)).toBe(true);
    await stop(first.server);
    const { port } = new URL(first.url);
    const app = new Hono<{ Variables: { edge: string } }>().use((c, next) => {
      c.set("edge", "e");
      return next();
    });
    app.route("/agent", doorbellRoutes(new MemoryDoorbell()));
    const second = serve({ fetch: app.fetch, port: Number(port), hostname: "127.0.0.1" });
    servers.push(second);
    await once(second, "listening");
    expect(await bell.wait(15_000)).toBe(true);
    expect(await bell.wait(50)).toBe(false);
  });

  it("rings a client without cursors once", async () => {
    const hub = new MemoryDoorbell();
    const { server, url } = await startGround(hub);
    servers.push(server);
    await hub.ring("e");
    const poll = async () =>
      (await fetch(`${url}/agent/doorbell?wait=0.05`, { headers: { authorization: "Bearer e" } })).status;
    expect([await poll(), await poll()]).toEqual([200, 204]);
  });
});
