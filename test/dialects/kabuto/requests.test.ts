import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ROUTES } from "#lambdas/dialects/kabuto/routes.ts";
import { type KabutoClient, type KabutoGround, startKabutoGround } from "./support/kabuto-ground.ts";

let ground: KabutoGround;
let me: KabutoClient;
beforeAll(async () => {
  ground = await startKabutoGround();
  me = await ground.user();
});
afterAll(() => ground.stop());

const json = (body: unknown, method = "POST") => ({
  method,
  headers: { "content-type": "application/json" },
  body: typeof body === "string" ? body : JSON.stringify(body),
});
const concrete = (path: string) => path.replaceAll(/:[a-z]+/g, "1");

describe("paths and methods", () => {
  test("slashes are folded, and what is not there is 404 for everybody", async () => {
    expect(await me.get("//image//")).toEqual({});
    for (const path of ["/image/1/2", "/jobs/1", "/execution/1/attachments/x", "/execution/1/results/x"]) {
      const answer = await fetch(`${ground.url}${path}`);
      expect(answer.status, path).toBe(404);
      expect(await answer.json()).toEqual({ status: 404, message: "Not Found" });
    }
  });

  test("another method is 405 with Allow; OPTIONS is empty, HEAD is GET", async () => {
    for (const [path, handles] of ROUTES) {
      const at = concrete(path);
      const answer = await fetch(`${ground.url}${at}`, { method: "PATCH" });
      expect(answer.status, at).toBe(405);
      expect(await answer.json()).toEqual({ status: 405, message: "Method Not Allowed" });
      for (const method of Object.keys(handles)) expect(answer.headers.get("allow")).toContain(method);
      const options = await fetch(`${ground.url}${at}`, { method: "OPTIONS" });
      expect([options.status, await options.text()]).toEqual([200, ""]);
      expect(options.headers.get("allow")).toBe(answer.headers.get("allow"));
    }
    const head = await me.send("/image", { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
  });

  test("whoever is not logged in is 401 without a challenge and without a cookie", async () => {
    const open = ["/register", "/register/confirm/:login/:token", "/login"];
    for (const [path, handles] of ROUTES) {
      if (open.includes(path)) continue;
      for (const method of Object.keys(handles)) {
        const answer = await fetch(`${ground.url}${concrete(path)}`, { method });
        expect(answer.status, `${method} ${path}`).toBe(401);
        expect(await answer.json()).toEqual({ status: 401, message: "Unauthorized" });
        expect(answer.headers.get("www-authenticate")).toBeNull();
        expect(answer.headers.get("set-cookie")).toBeNull();
      }
    }
  });

  test("every answer is JSON that nobody keeps", async () => {
    const answer = await me.send("/image");
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      "content-type": "application/json",
      "cache-control": "private, no-store",
      "x-content-type-options": "nosniff",
    });
  });
});

describe("parameters", () => {
  test("come in JSON, query and form, also mixed: JSON first, then the query", async () => {
    const name = async (path: string, init: RequestInit) => {
      const { id } = (await (await me.send(path, { method: "POST", ...init })).json()) as { id: number };
      return (await me.get(`/pipeline/${id}`))[id] as { name: string };
    };
    const form = (text: string) => ({ body: new URLSearchParams(text) });
    expect(await name("/pipeline", form("name=a&name=b"))).toMatchObject({ name: "a" });
    expect(await name("/pipeline?name=q", form("name=f"))).toMatchObject({ name: "q" });
    expect(await name("/pipeline?name=q", json({ name: "j" }))).toMatchObject({ name: "j" });
    expect(await name("/pipeline?name=q", json({ name: null }))).toMatchObject({ name: "q" });
    expect(await name("/pipeline?name=", form("name=f"))).toMatchObject({ name: "f" });
    expect(await name("/pipeline", json({ name: ["x", "y"] }))).toMatchObject({ name: "x" });
    expect(await name("/pipeline", json('{"name":1.10}'))).toMatchObject({ name: "1.10" });
    expect(await name("/pipeline", json({ name: true }))).toMatchObject({ name: "true" });
    expect(await name("/pipeline?name=%ff", {})).toMatchObject({ name: "\ufffd" });
    expect(
      await name("/pipeline?name=q", { body: "name=x", headers: { "content-type": "text/plain" } }),
    ).toMatchObject({ name: "q" });
    const data = new FormData();
    data.append("name", "multi");
    data.append("other", new Blob(["x"]), "file");
    expect(await name("/pipeline", { body: data })).toMatchObject({ name: "multi" });
  });

  test("the first that is missing is named, and nothing else is in the body", async () => {
    const rule = "Missing required parameter in the JSON body or the post body or the query string";
    for (const [path, fields, missing] of [
      ["/register", {}, "login"],
      ["/register", { login: "x" }, "password"],
      ["/register", { login: "x", password: "y", email: "" }, "email"],
      ["/login", { password: "y" }, "login"],
      ["/image", {}, "name"],
      ["/pipeline", { name: "" }, "name"],
    ] as const) {
      const answer = await me.send(path, { method: "POST", body: new URLSearchParams(fields) });
      expect(answer.status).toBe(400);
      expect(await answer.json()).toEqual({ message: `[${missing}]: ${rule}` });
    }
  });

  test("rules name their parameter", async () => {
    const long = await me.send("/pipeline", {
      method: "POST",
      body: new URLSearchParams({ name: "ü".repeat(129) }),
    });
    expect([long.status, await long.json()]).toEqual([
      400,
      { message: "[name]: must be at most 128 characters" },
    ]);
    expect(await me.post("/pipeline", { name: "ü".repeat(128) })).toEqual({ id: expect.any(Number) });
    const broken = await me.send("/pipeline", json("{"));
    expect([broken.status, await broken.json()]).toEqual([400, { status: 400, message: "Bad Request" }]);
  });

  test("a body over its bound is 413", async () => {
    const answer = await me.send("/pipeline", {
      method: "POST",
      body: new URLSearchParams({ name: "x".repeat(2 ** 20) }),
    });
    expect([answer.status, await answer.json()]).toEqual([
      413,
      { status: 413, message: "Request Entity Too Large" },
    ]);
  });

  test("file names that lead elsewhere are refused", async () => {
    const { id } = await me.post("/pipeline", { name: "p" });
    for (const name of ["/etc/passwd", "../x", "a/../b", "a//b", "./a", "x".repeat(256)]) {
      // FormData would change some of these
      const boundary = "b";
      const body = `--b\r\nContent-Disposition: form-data; name="attachments"; filename="${name}"\r\n\r\nx\r\n--b--\r\n`;
      const answer = await me.send(`/pipeline/${id}/job`, {
        method: "POST",
        headers: { "content-type": `multipart/form-data; boundary=${boundary}` },
        body,
      });
      expect([answer.status, ((await answer.json()) as { message: string }).message], name).toEqual([
        400,
        expect.stringMatching(/^\[attachments\]: /),
      ]);
    }
  });
});

test("ids are exactly the digits of an own one", async () => {
  const { id } = await me.post("/pipeline", { name: "p" });
  for (const other of ["abc", `0${id}`, `-${id}`, `${id}.0`, "999", "%20"]) {
    expect(await me.get(`/pipeline/${other}`), other).toEqual({});
    expect(await me.post(`/pipeline/${other}/submit`)).toEqual({ error: "Pipeline not found" });
  }
});
