import { expect, test } from "vitest";
import { RawConnection } from "#test/support/raw-http.ts";
import { startPoseidonGround } from "./support/poseidon-ground.ts";

test("unknown paths are an empty 404, other methods an empty 405 that names what is there", async () => {
  const { base } = await startPoseidonGround();
  for (const path of [
    "",
    "/",
    "/healthz",
    "/execution-environments/abc",
    "/execution-environments/1/",
    "//health",
  ]) {
    const answer = await fetch(base + path);
    expect([path, answer.status, answer.headers.get("content-length"), await answer.text()]).toEqual([
      path,
      404,
      "0",
      "",
    ]);
  }
  for (const [method, path, allow] of [
    ["POST", "/health", "GET, HEAD"],
    ["PATCH", "/execution-environments/0", "DELETE, GET, HEAD, PUT"],
    ["OPTIONS", "/runners", "POST"],
    ["PUT", "/runners/1/files", "GET, HEAD, PATCH"],
  ] as const) {
    const answer = await fetch(base + path, { method });
    expect([path, answer.status, answer.headers.get("allow"), await answer.text()]).toEqual([
      path,
      405,
      allow,
      "",
    ]);
    expect(answer.headers.get("content-length")).toBe("0");
  }
});

test("slashes are not folded", async () => {
  const { base } = await startPoseidonGround();
  for (const path of ["//api/v1/health", "/api//v1/health", "/api/v1/health/"]) {
    expect((await fetch(new URL(base).origin + path)).status).toBe(404);
  }
  expect((await fetch(`${base}/health`)).status).toBe(204);
});

test("an empty answer has a length and no chunks, on the wire", async () => {
  const { port, client } = await startPoseidonGround();
  const { token } = await client();
  const raw = await RawConnection.open(port);
  await raw.write(
    `PUT /api/v1/execution-environments/3 HTTP/1.1\r\nHost: h\r\nPoseidon-Token: ${token}\r\nContent-Length: 2\r\n\r\n{}`,
  );
  const [head] = await raw.until(/^HTTP\/1\.1 201 [\s\S]*?\r\n\r\n/);
  expect(head.toLowerCase()).toContain("content-length: 0\r\n");
  expect(head.toLowerCase()).not.toContain("transfer-encoding");
  raw.close();
});

test("HEAD answers as GET, without the body", async () => {
  const { client } = await startPoseidonGround();
  const me = await client();
  const head = await me.send("HEAD", "/execution-environments");
  expect([head.status, head.text]).toEqual([200, ""]);
  expect(head.headers.get("content-length")).toBe(String('{"executionEnvironments":[]}'.length));
});

test("bodies are JSON whatever their type is, and what follows the first value is ignored", async () => {
  const { client } = await startPoseidonGround();
  const me = await client();
  const put = (body: string, type?: string) =>
    me.send("PUT", "/execution-environments/1", { body, ...(type && { headers: { "content-type": type } }) });
  expect((await put('{"image":"a"}', "application/x-www-form-urlencoded")).status).toBe(201);
  expect((await put('{"IMAGE":"b"} trailing { data')).status).toBe(204);
  expect((await me.get("/execution-environments/1")).json).toMatchObject({ image: "b" });
  expect((await put('{"IMAGE":"b","image":"c","x":[{}]}')).status).toBe(204);
  expect((await me.get("/execution-environments/1")).json).toMatchObject({ image: "c" });
  expect((await put("null")).status).toBe(204);
  expect((await me.get("/execution-environments/1")).json).toEqual({
    id: 1,
    image: "",
    prewarmingPoolSize: 0,
    cpuLimit: 0,
    memoryLimit: 0,
    networkAccess: false,
    exposedPorts: null,
  });
});

test("bad bodies are told what is wrong with which field", async () => {
  const { client } = await startPoseidonGround();
  const me = await client();
  for (const [body, message] of [
    ["", "EOF"],
    [" \n", "EOF"],
    ["{", /EOF/],
    ["nonsense", /not JSON/],
    ["[]", /body/],
    ["7", /body/],
    ['{"image":7}', /^image /],
    ['{"prewarmingPoolSize":-1}', /^prewarmingPoolSize /],
    ['{"prewarmingPoolSize":1.5}', /^prewarmingPoolSize /],
    ['{"prewarmingPoolSize":2147483648}', /^prewarmingPoolSize /],
    ['{"memoryLimit":"1"}', /^memoryLimit /],
    ['{"cpuLimit":-0.5}', /^cpuLimit /],
    ['{"cpuLimit":1e400}', /^cpuLimit /],
    ['{"networkAccess":"true"}', /^networkAccess /],
    ['{"exposedPorts":[0]}', /^exposedPorts\[0\] /],
    ['{"exposedPorts":[80,65536]}', /^exposedPorts\[1\] /],
    [JSON.stringify({ exposedPorts: Array(17).fill(1) }), /^exposedPorts /],
    ['{"exposedPorts":"80"}', /^exposedPorts /],
    [JSON.stringify({ image: "i".repeat(256) }), /^image /],
  ] as const) {
    const { status, json } = await me.put("/execution-environments/1", body);
    expect([body.slice(0, 40), status, Object.keys(json as object)]).toEqual([
      body.slice(0, 40),
      400,
      ["message"],
    ]);
    expect((json as { message: string }).message).toMatch(message);
  }
});

test("a body over its bound is 413, after what is still sent was taken", async () => {
  const { client } = await startPoseidonGround();
  const me = await client();
  const over = await me.put("/execution-environments/1", `{"image":"${"i".repeat(1024 * 1024)}"}`);
  expect(over.status).toBe(413);
  expect(over.json).toEqual({ message: expect.any(String) });
});

test("ids: 0 is one, and one that no number holds is refused", async () => {
  const { client } = await startPoseidonGround();
  const me = await client();
  expect((await me.put("/execution-environments/0", "{}")).status).toBe(201);
  expect((await me.get("/execution-environments/0")).json).toMatchObject({ id: 0 });
  for (const method of ["GET", "PUT", "DELETE"]) {
    const { status, json } = await me.send(method, "/execution-environments/9007199254740992", {
      ...(method === "PUT" && { body: "{}" }),
    });
    expect([method, status, json]).toEqual([method, 400, { message: expect.any(String) }]);
  }
  expect((await me.put("/execution-environments/9007199254740991", "{}")).status).toBe(201);
});

test("where no live sessions are, every path names where they are", async () => {
  const { base } = await startPoseidonGround({
    lambda: true,
    settings: { PERIGEE_LIVE_URL: "https://live.example" },
  });
  for (const path of ["/health", "/runners", "/nothing"]) {
    const answer = await fetch(base + path);
    expect([answer.status, await answer.json()]).toEqual([
      404,
      { message: expect.stringContaining("https://live.example") },
    ]);
  }
});
