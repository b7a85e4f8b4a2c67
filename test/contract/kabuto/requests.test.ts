import { expect, test } from "vitest";
import { me, nobody } from "./support/session.ts";

/** Section 1: paths, methods, parameters, statuses. */
const ROUTES: readonly [path: string, methods: string][] = [
  ["/image", "GET, HEAD, OPTIONS, POST"],
  ["/image/1", "DELETE, GET, HEAD, OPTIONS, PUT"],
  ["/image/build/x", "GET, HEAD, OPTIONS"],
  ["/image/build/x/1", "GET, HEAD, OPTIONS"],
  ["/pipeline", "GET, HEAD, OPTIONS, POST"],
  ["/pipeline/1", "DELETE, GET, HEAD, OPTIONS, PUT"],
  ["/pipeline/1/submit", "OPTIONS, POST"],
  ["/pipeline/1/cancel", "OPTIONS, POST"],
  ["/pipeline/1/job", "GET, HEAD, OPTIONS, POST"],
  ["/pipeline/1/job/1", "DELETE, GET, HEAD, OPTIONS, PUT"],
  ["/pipeline/1/job/1/kill", "GET, HEAD, OPTIONS, POST"],
  ["/pipeline/1/job/1/cancel", "OPTIONS, POST"],
  ["/jobs", "GET, HEAD, OPTIONS"],
  ["/execution/1/logs", "GET, HEAD, OPTIONS, POST"],
  ["/execution/1/logs/0", "GET, HEAD, OPTIONS"],
  ["/logout", "OPTIONS, POST"],
  ["/register", "OPTIONS, POST"],
  ["/login", "OPTIONS, POST"],
];
const OPEN = ["/register", "/login"];

test("another method is 405 with Allow, OPTIONS is 200 and empty with Allow", async () => {
  for (const [path, allow] of ROUTES) {
    const patched = await me.send("PATCH", path);
    expect([patched.status, patched.json], path).toEqual([
      405,
      { status: 405, message: "Method Not Allowed" },
    ]);
    expect(patched.headers.get("allow"), path).toBe(allow);
    const options = await me.send("OPTIONS", path);
    expect([options.status, options.text, options.headers.get("allow")], path).toEqual([200, "", allow]);
  }
});

test("whoever is not logged in is 401, without WWW-Authenticate and without a cookie", async () => {
  for (const [path, allow] of ROUTES) {
    if (OPEN.includes(path)) continue;
    for (const method of allow.split(", ").filter((one) => !["HEAD", "OPTIONS"].includes(one))) {
      const answer = await nobody().send(method, path);
      expect([answer.status, answer.json], `${method} ${path}`).toEqual([
        401,
        { status: 401, message: "Unauthorized" },
      ]);
      expect(answer.headers.get("www-authenticate")).toBeNull();
      expect(answer.headers.getSetCookie()).toEqual([]);
    }
  }
});

test("an unknown path below the first segments is 404, also those of Kabuto's own workers", async () => {
  // a word in an id's place is an unknown object to who is logged in
  expect(await me.get("/image/build")).toEqual({});
  expect((await nobody().send("GET", "/image/build")).status).toBe(401);
  for (const path of [
    "/image/1/2",
    "/jobs/1",
    "/pipeline/1/other",
    "/execution/1",
    "/execution/1/attachments/token",
    "/execution/1/results/token",
  ]) {
    for (const client of [me, nobody()]) {
      const answer = await client.send("GET", path);
      expect([answer.status, answer.json], path).toEqual([404, { status: 404, message: "Not Found" }]);
    }
  }
});

test("doubled slashes and a trailing slash mean the same route", async () => {
  for (const path of ["//jobs", "/jobs/", "//jobs//"]) {
    const answer = await me.send("GET", path);
    expect([answer.status, typeof answer.json], path).toEqual([200, "object"]);
  }
  expect(await me.get("//pipeline//999999/")).toEqual({});
});

test("answers are JSON that nobody keeps, and HEAD is GET without its body", async () => {
  const answer = await me.send("GET", "/pipeline");
  const wanted = {
    "content-type": "application/json",
    "cache-control": "private, no-store",
    "x-content-type-options": "nosniff",
  };
  expect(Object.fromEntries(answer.headers)).toMatchObject(wanted);
  const head = await me.send("HEAD", "/pipeline");
  expect([head.status, head.text]).toEqual([200, ""]);
  expect(Object.fromEntries(head.headers)).toMatchObject(wanted);
});

test("parameters come in JSON, then the query, then the form; the first value wins", async () => {
  const nameOf = async (path: string, init: RequestInit) => {
    const { id } = (await me.send("POST", path, init)).json;
    return (await me.get(`/pipeline/${id}`))[id].name;
  };
  const json = (value: unknown) => ({
    body: typeof value === "string" ? value : JSON.stringify(value),
    headers: { "content-type": "application/json; charset=utf-8" },
  });
  const form = (text: string) => ({
    body: text,
    headers: { "content-type": "application/x-www-form-urlencoded; charset=utf-8" },
  });
  expect(await nameOf("/pipeline", form("name=a&name=b"))).toBe("a");
  expect(await nameOf("/pipeline?name=q", form("name=f"))).toBe("q");
  expect(await nameOf("/pipeline?name=q", json({ name: "j" }))).toBe("j");
  expect(await nameOf("/pipeline?name=q", json({ name: null }))).toBe("q");
  expect(await nameOf("/pipeline?name=q", json({ name: [null, "x"] }))).toBe("q");
  expect(await nameOf("/pipeline?name=q1&name=q2", {})).toBe("q1");
  expect(await nameOf("/pipeline?name=", form("name=f"))).toBe("f");
  expect(await nameOf("/pipeline", json({ name: ["x", "y"] }))).toBe("x");
  expect(await nameOf("/pipeline", json('{"name":1.10}'))).toBe("1.10");
  expect(await nameOf("/pipeline", json({ name: false }))).toBe("false");
  expect(await nameOf("/pipeline", json('\ufeff{"name":"mark"}'))).toBe("mark");
  expect(await nameOf("/pipeline?name=%ff", {})).toBe("\ufffd");
  expect(await nameOf("/pipeline", form("name=%ff"))).toBe("\ufffd");
  expect(
    await nameOf("/pipeline?name=q", { body: "name=x", headers: { "content-type": "text/plain" } }),
  ).toBe("q");
});

test("malformed JSON is 400; JSON that is no object gives nothing", async () => {
  const broken = await me.json("POST", "/pipeline", "{");
  expect([broken.status, broken.json]).toEqual([400, { status: 400, message: "Bad Request" }]);
  const list = await me.json("POST", "/pipeline", "[1]");
  expect([list.status, list.json.message]).toEqual([400, expect.stringMatching(/^\[name\]: Missing/)]);
});

test("the first that is missing is named, and nothing else is in the body", async () => {
  const rule = "Missing required parameter in the JSON body or the post body or the query string";
  for (const [path, fields, missing] of [
    ["/register", {}, "login"],
    ["/register", { login: "x" }, "password"],
    ["/register", { login: "x", password: "y", email: "" }, "email"],
    ["/login", {}, "login"],
    ["/login", { login: "x" }, "password"],
    ["/image", {}, "name"],
    ["/pipeline", { name: "" }, "name"],
  ] as const) {
    const answer = await me.send("POST", path, { body: new URLSearchParams(fields) });
    expect([answer.status, answer.json]).toEqual([400, { message: `[${missing}]: ${rule}` }]);
  }
});

test("a body over 1 MiB without files is 413", async () => {
  const answer = await me.send("POST", "/pipeline", {
    body: new URLSearchParams({ name: "x".repeat(2 ** 20) }),
  });
  expect([answer.status, answer.json]).toEqual([413, { status: 413, message: "Request Entity Too Large" }]);
});

test("an unknown object is {} to GET, and an error in its route's words to the others", async () => {
  const toUpdate = (kind: string) =>
    `You either don't have the rights to update this ${kind}, or it does not exist`;
  for (const id of ["abc", "01", "-1", "0", "1.0", "%20", "999999999"]) {
    for (const path of [`/image/${id}`, `/pipeline/${id}`, `/pipeline/${id}/job`, `/pipeline/${id}/job/1`]) {
      expect(await me.get(path), path).toEqual({});
    }
    expect(await me.get(`/pipeline/${id}/job/1?result`)).toEqual({ error: "Job not found" });
    expect(await me.put(`/image/${id}`, { name: "x" })).toEqual({ error: toUpdate("image") });
    expect(await me.delete(`/image/${id}`)).toEqual({ error: toUpdate("image") });
    expect(await me.put(`/pipeline/${id}`)).toEqual({ error: toUpdate("image") });
    expect(await me.delete(`/pipeline/${id}`)).toEqual({ error: toUpdate("pipeline") });
    expect(await me.post(`/pipeline/${id}/submit`)).toEqual({ error: "Pipeline not found" });
    expect(await me.post(`/pipeline/${id}/job`, { image_id: "1" })).toEqual({ error: "Pipeline not found" });
    expect(await me.put(`/pipeline/${id}/job/1`)).toEqual({ error: toUpdate("job") });
    expect(await me.get(`/pipeline/${id}/job/1/kill`)).toEqual({ error: toUpdate("job") });
    expect(await me.post(`/pipeline/${id}/job/1/cancel`)).toEqual({ error: toUpdate("job") });
    expect(await me.delete(`/pipeline/${id}/job/1`)).toEqual({
      error: "You either don't have the rights to delete this job, or it does not exist",
    });
    expect(await me.get(`/execution/${id}/logs`)).toEqual({ error: "Job not found" });
  }
});

test("the path, then the log-in, then the object in the path, then parameters, then what they name", async () => {
  const broken = { body: "{", headers: { "content-type": "application/json" } };
  expect((await nobody().send("POST", "/pipeline/1/other", broken)).status).toBe(404);
  expect((await nobody().send("PATCH", "/pipeline/1", broken)).status).toBe(405);
  expect((await nobody().send("POST", "/pipeline/999999/job", broken)).status).toBe(401);
  for (const [method, path, error] of [
    ["POST", "/pipeline/999999/job", "Pipeline not found"],
    ["POST", "/pipeline/999999/submit", "Pipeline not found"],
    ["PUT", "/pipeline/999999", expect.stringContaining("update this image")],
    ["PUT", "/pipeline/999999/job/1", expect.stringContaining("update this job")],
    ["PUT", "/image/999999", expect.stringContaining("update this image")],
    ["POST", "/execution/999999/logs", "Job not found"],
  ] as const) {
    const answer = await me.send(method, path, broken);
    expect([answer.status, answer.json], path).toEqual([200, { error }]);
  }
  const { id } = await me.post("/pipeline", { name: "order" });
  for (const path of [`/pipeline/${id}/job`, `/pipeline/${id}/submit`]) {
    expect((await me.send("POST", path, broken)).status, path).toBe(400);
  }
  const body = new URLSearchParams({ image_id: "999999", command: "'" });
  const both = await me.send("POST", `/pipeline/${id}/job`, { body });
  expect([both.status, both.json]).toEqual([400, { message: "[command]: No closing quotation" }]);
  await me.delete(`/pipeline/${id}`);
});

test("half of a surrogate pair, which JSON can say, becomes U+FFFD", async () => {
  const made = await me.json("POST", "/pipeline", '{"name":"a\\ud800b","on_failure":"stop"}');
  expect((await me.get(`/pipeline/${made.json.id}`))[made.json.id].name).toBe("a\ufffdb");
  const login = await nobody().json("POST", "/login", '{"login":"\\udc00","password":"\\ud800"}');
  expect([login.status, login.json]).toEqual([401, { status: 401, message: "Unauthorized" }]);
  const long = `{"login":"\\ud800","password":"x","email":"${"x".repeat(257)}"}`;
  expect((await nobody().json("POST", "/register", long)).status).toBe(400);
  await me.delete(`/pipeline/${made.json.id}`);
});

test("an Idempotency-Key gives its first answer again, and refuses another request", async () => {
  const headers = { "idempotency-key": `key-${Date.now()}` };
  const post = (name: string) =>
    me.send("POST", "/pipeline", { headers, body: new URLSearchParams({ name }) });
  const { json } = await post("once");
  expect((await post("once")).json).toEqual(json);
  expect((await post("other")).json).toEqual({
    error: "The Idempotency-Key was used for another request",
  });
});
