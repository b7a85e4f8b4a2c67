import { spawn } from "node:child_process";
import { once } from "node:events";
import { request } from "node:http";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { RawConnection } from "#test/support/raw-http.ts";
import { clientOf, startPoseidonGround } from "./support/poseidon-ground.ts";

const OPEN = { settings: { PERIGEE_POSEIDON_OPEN_USER: "ada" } };

test("every request acts as the user, whatever token it sends", async () => {
  const { base, ground, client } = await startPoseidonGround(OPEN);
  expect((await clientOf(base).get("/execution-environments")).status).toBe(401);
  await ground.accounts.addUser("ada", "long enough");
  const path = await clientOf(base).runner();
  const bob = await client("bob");
  expect((await bob.send("DELETE", path)).status).toBe(204);
  expect((await clientOf(base, "nonsense").get("/execution-environments/0")).status).toBe(200);
});

test("a user that does not exist is told when the server starts", async () => {
  const { lines } = await startPoseidonGround(OPEN);
  await expect.poll(() => lines.join("")).toContain("PERIGEE_POSEIDON_OPEN_USER names no user");
});

test("requests from elsewhere are refused, on every route", async () => {
  const { ground, port } = await startPoseidonGround(OPEN);
  await ground.accounts.addUser("ada", "long enough");
  const ask = async (path: string, host: string, origin?: string) => {
    const raw = await RawConnection.open(port);
    const lines = [`GET /api/v1${path} HTTP/1.1`, `Host: ${host}`, ...(origin ? [`Origin: ${origin}`] : [])];
    await raw.write(`${lines.join("\r\n")}\r\nConnection: close\r\n\r\n`);
    const [, status] = await raw.until(/^HTTP\/1\.1 (\d+)/);
    await raw.untilClosed();
    raw.close();
    return [Number(status), raw.text.includes('{"message":')];
  };
  for (const path of ["/execution-environments", "/health", "/version"]) {
    const good = { "/execution-environments": 200, "/health": 204, "/version": 404 }[path];
    for (const host of ["localhost", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:8080", "[::1]", "[::1]:80"]) {
      expect([path, host, (await ask(path, host))[0]]).toEqual([path, host, good]);
    }
    for (const host of ["evil.example", "localhost.evil.example", "127.0.0.2", "127.0.0.1.evil", "0.0.0.0"]) {
      expect([path, host, ...(await ask(path, host))]).toEqual([path, host, 403, true]);
    }
    expect((await ask(path, "localhost:1", "http://localhost:1"))[0]).toBe(good);
    for (const origin of ["http://evil.example", "null", "http://localhost:2", "file://"]) {
      expect([origin, ...(await ask(path, "localhost:1", origin))]).toEqual([origin, 403, true]);
    }
  }
});

test("a WebSocket from elsewhere is refused, and the execution's id stays good", async () => {
  const opened = await startPoseidonGround(OPEN);
  const { ground, base, port, beat, live } = opened;
  await ground.accounts.addUser("ada", "long enough");
  await beat();
  const me = clientOf(base);
  const answer = await me.post(`${await me.runner()}/execute`, { command: "true" });
  const { websocketUrl } = answer.json as { websocketUrl: string };
  const { pathname, search } = new URL(websocketUrl);
  const status = async (host: string, origin?: string) => {
    const headers = {
      ...{ host, connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13" },
      ...{ "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==", ...(origin && { origin }) },
    };
    const asked = request({ host: "127.0.0.1", port, path: pathname + search, headers });
    asked.end();
    const [answered, socket] = await Promise.race([once(asked, "response"), once(asked, "upgrade")]);
    asked.on("error", () => {});
    if (socket) socket.destroy();
    else answered.resume();
    return answered.statusCode;
  };
  for (const host of ["evil.example", "127.0.0.2", "localhost.evil.example"]) {
    expect([host, await status(host)]).toEqual([host, 403]);
  }
  for (const origin of ["http://evil.example", "null", "http://localhost:2"]) {
    expect([origin, await status("localhost:1", origin)]).toEqual([origin, 403]);
  }
  expect(await status("localhost:1", "http://localhost:1")).toBe(101);
  (await live.next()).finish({ type: "exit", code: 0 });
});

test("a server that others reach does not start", async () => {
  const { ground: _, ...rest } = await startPoseidonGround();
  const entry = join(resolve(import.meta.dirname, "../../.."), "lambdas/entries/server.ts");
  for (const host of ["0.0.0.0", "::", "192.0.2.1", "127.evil.example"]) {
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", entry], {
      env: {
        ...process.env,
        PERIGEE_DATA: `/nonexistent/${rest.port}`,
        PERIGEE_PORT: "0",
        PERIGEE_HOST: host,
        PERIGEE_POSEIDON_OPEN_USER: "ada",
      },
      stdio: ["ignore", "ignore", "pipe"],
    });
    const ended = new Promise<number | null>((end) => child.once("close", end));
    expect(await text(child.stderr)).toBe(
      `PERIGEE_POSEIDON_OPEN_USER: is for loopback addresses only, and the server would listen on ${host}\n`,
    );
    expect(await ended).toBe(1);
  }
});
