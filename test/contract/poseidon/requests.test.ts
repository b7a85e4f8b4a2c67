import { expect, test } from "vitest";
import { RawConnection } from "#test/support/raw-http.ts";
import { PoseidonClient } from "./support/client.ts";
import { environment, freshId, me, nobody, other, runner, target } from "./support/session.ts";

const LIST = "/execution-environments";

test("the miscellaneous routes need no token, all others do", async () => {
  expect(await nobody.get("/health")).toMatchObject({ status: 204, text: "" });
  expect((await nobody.get("/version")).status).toBeOneOf([200, 404]);
  for (const client of [nobody, new PoseidonClient(target.url, "wrong")]) {
    for (const path of [LIST, "/statistics/execution-environments", "/runners/1/files"]) {
      const { status, text, headers } = await client.get(path);
      expect([path, status, text, headers.get("content-length")]).toEqual([path, 401, "", "0"]);
    }
  }
});

test("environments: created, listed, replaced, deleted, each user's own", async () => {
  const id = freshId();
  const path = `${LIST}/${id}`;
  const body = {
    image: "",
    prewarmingPoolSize: 0,
    cpuLimit: 20.5,
    memoryLimit: 0,
    networkAccess: true,
    exposedPorts: [80],
  };
  const created = await me.body("PUT", path, body);
  expect([created.status, created.text, created.headers.get("content-length")]).toEqual([201, "", "0"]);
  expect((await me.get(path)).text).toBe(JSON.stringify({ id, ...body }));
  expect((await me.body("PUT", path, { ...body, exposedPorts: null, extra: 1 })).status).toBe(204);
  expect((await me.get(LIST)).json.executionEnvironments).toContainEqual({ id, ...body, exposedPorts: null });
  expect((await me.get("/statistics/execution-environments")).json[String(id)]).toEqual({
    id,
    prewarmingPoolSize: 0,
    idleRunners: 0,
    usedRunners: 0,
  });
  expect(await other.get(path)).toMatchObject({ status: 404, text: "" });
  expect((await other.get("/statistics/execution-environments")).json).not.toHaveProperty(String(id));
  expect((await other.delete(path)).status).toBe(404);
  expect((await me.delete(path)).status).toBe(204);
  expect(await me.delete(path)).toMatchObject({ status: 404, text: "" });
  expect((await me.body("PUT", path, body)).status).toBe(201);
});

test("fetch asks the edge and answers in the same form", async () => {
  const id = await environment({ prewarmingPoolSize: 0 });
  expect((await me.get(`${LIST}/${id}?fetch=true`)).json).toMatchObject({ id });
  expect((await me.get(`${LIST}?fetch=maybe`)).status).toBe(400);
});

/** What a client that is none of the usual ones gets. */
async function raw(text: string): Promise<{ status: number; head: string; body: string }> {
  const { port } = new URL(target.url);
  const connection = await RawConnection.open(Number(port));
  await connection.write(text);
  const [, status] = await connection.until(/^HTTP\/1\.[01] (\d+)/);
  await connection.untilClosed();
  connection.close();
  const [head = "", body = ""] = connection.text.split("\r\n\r\n", 2);
  return { status: Number(status), head: head.toLowerCase(), body };
}

test("clients of other makes", async () => {
  const token = `Host: h\r\nPoseidon-Token: ${target.token}\r\n`;
  // as Java's client asks on every plain connection
  const h2c = `Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n`;
  expect(await raw(`GET /api/v1${LIST} HTTP/1.1\r\n${token}${h2c}\r\n`)).toMatchObject({ status: 200 });
  const withBody = await raw(
    `PUT /api/v1${LIST}/${freshId()} HTTP/1.1\r\n${token}${h2c}Content-Length: 2\r\n\r\n{}`,
  );
  expect(withBody).toMatchObject({ status: 201, body: "" });
  const old = await raw(`GET /api/v1${LIST} HTTP/1.0\r\nPoseidon-Token: ${target.token}\r\n\r\n`);
  expect(old).toMatchObject({ status: 200 });
  expect(old.head).not.toContain("transfer-encoding");
  expect(old.head).toContain("content-length: ");
  // as Go's client sends a body whose length it does not know
  const chunked = `${token}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`;
  expect(await raw(`PUT /api/v1${LIST}/${freshId()} HTTP/1.1\r\n${chunked}`)).toMatchObject({ status: 201 });
  expect(await raw(`DELETE /api/v1/runners/none HTTP/1.1\r\n${chunked}`)).toMatchObject({
    status: 410,
    body: '{"message":"no runner found with this id"}',
  });
  const python = `User-Agent: python-requests/2.32\r\nAccept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: close\r\n`;
  expect(await raw(`GET /api/v1${LIST} HTTP/1.1\r\n${token}${python}\r\n`)).toMatchObject({ status: 200 });
});

test("a body over its bound is refused with 413, after it was taken", async () => {
  const { port } = new URL(target.url);
  const connection = await RawConnection.open(Number(port));
  const body = JSON.stringify({ image: "x".repeat(4 * 1024 * 1024) });
  const head = `PUT /api/v1${LIST}/${freshId()} HTTP/1.1\r\nHost: h\r\nPoseidon-Token: ${target.token}\r\n`;
  expect(await connection.write(`${head}Content-Length: ${body.length}\r\n\r\n${body}`)).toBe(true);
  const [, refused] = await connection.until(/\r\n\r\n(\{[^}]*\})/);
  expect(connection.text).toMatch(/^HTTP\/1\.1 413 /);
  expect(JSON.parse(refused!)).toEqual({ message: expect.any(String) });
  connection.close();
  const many = Array.from({ length: 10_001 }, () => "x");
  const path = await runner(await environment());
  const patch = await me.patch(path, {}, many);
  expect([patch.status, patch.json]).toEqual([413, { message: expect.any(String) }]);
});

test("a body that stands still is cut, and nothing comes of it", { timeout: 120_000 }, async () => {
  const { port } = new URL(target.url);
  const path = `${LIST}/${freshId()}`;
  const connection = await RawConnection.open(Number(port));
  const head = `PUT /api/v1${path} HTTP/1.1\r\nHost: h\r\nPoseidon-Token: ${target.token}\r\n`;
  await connection.write(`${head}Content-Length: 3\r\n\r\n{}`);
  await connection.untilClosed();
  expect(connection.text).not.toMatch(/^HTTP\/1\.1 2/);
  connection.close();
  expect((await me.get(path)).status).toBe(404);
});
