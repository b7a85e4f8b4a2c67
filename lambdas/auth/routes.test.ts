import { randomBytes } from "node:crypto";
import { Hono } from "hono";
import { pino } from "pino";
import { beforeEach, describe, expect, it } from "vitest";
import { QUICK_PASSWORDS } from "#test/support/quick-passwords.ts";
import { temporaryStore } from "#test/support/temporary-store.ts";
import type { GroundEnv } from "../http/env.ts";
import { errorResponse } from "../http/errors.ts";
import { Accounts } from "./accounts.ts";
import { requireAgent } from "./require-agent.ts";
import { requireUser } from "./require-user.ts";
import { registerAuthRoutes } from "./routes.ts";
import { Throttle } from "./throttle.ts";
import { Tokens } from "./tokens.ts";

const PASSWORD = "correct & horse=1";
const log = pino({ level: "silent" });

describe("auth routes", () => {
  let app: Hono<GroundEnv>;
  let accounts: Accounts;
  let clock: { now: number };

  beforeEach(async () => {
    const { store } = await temporaryStore();
    clock = { now: 1_800_000_000_000 };
    const now = () => clock.now;
    accounts = new Accounts(store, { now, passwordCost: QUICK_PASSWORDS });
    const tokens = new Tokens([{ kid: "k", secret: randomBytes(32) }], { now });
    app = new Hono<GroundEnv>();
    app.onError((error) => errorResponse(error, { log }));
    registerAuthRoutes(app, { accounts, tokens, throttle: new Throttle(store, { now }) });
    app.get("/me", requireUser({ accounts, tokens }), (c) => c.json({ user: c.get("user") }));
    app.get("/agent", requireAgent({ accounts }), (c) => c.json({ edge: c.get("edge") }));
    await accounts.addUser("alice", PASSWORD);
  });

  const post = async (path: string, body?: RequestInit["body"], headers: Record<string, string> = {}) => {
    const response = await app.request(path, { method: "POST", body, headers });
    const answer = (await response.json()) as Record<string, string | number>;
    return { status: response.status, headers: response.headers, body: answer };
  };
  const form = (fields: Record<string, string>) => new URLSearchParams(fields);
  const json = (value: unknown) => [JSON.stringify(value), { "content-type": "application/json" }] as const;
  const logIn = async (fields = { username: "alice", password: PASSWORD }) =>
    (await post("/auth/", form(fields))).body as { access: string; refresh: string };
  const get = async (path: string, authorization?: string) => {
    const response = await app.request(path, { headers: authorization ? { authorization } : {} });
    return { status: response.status, headers: response.headers, body: await response.json() };
  };

  describe("log in", () => {
    it("answers both tokens, to a form or JSON, with and without the last slash", async () => {
      const fields = { username: "alice", password: PASSWORD };
      const multipart = new FormData();
      multipart.set("username", "alice");
      multipart.set("password", PASSWORD);
      for (const answer of [
        await post("/auth/", form(fields)),
        await post("/auth", form(fields)),
        await post("/auth/", multipart),
        await post("/auth", ...json({ ...fields, extra: [1] })),
      ]) {
        expect(answer).toMatchObject({ status: 200 });
        expect(Object.keys(answer.body)).toEqual(["access", "refresh"]);
        expect(answer.headers.get("cache-control")).toBe("no-store");
        expect(await get("/me", `Bearer ${answer.body.access}`)).toMatchObject({
          status: 200,
          body: { user: "alice" },
        });
      }
    });

    it("answers 401 alike to a wrong password and an unknown user", async () => {
      const wrong = await post("/auth/", form({ username: "alice", password: "wrong password" }));
      const unknown = await post("/auth/", form({ username: "bob", password: PASSWORD }));
      const impossible = await post("/auth/", form({ username: "' OR 1=1 --", password: PASSWORD }));
      expect(wrong).toMatchObject({
        status: 401,
        body: {
          error: "INVALID_CREDENTIALS",
          message: "User name or password is wrong",
          detail: "User name or password is wrong",
        },
      });
      for (const other of [unknown, impossible]) {
        expect(other.status).toBe(401);
        expect(other.body).toEqual(wrong.body);
        expect([...other.headers]).toEqual([...wrong.headers]);
      }
    });

    it.each([
      ["nothing", undefined, {}],
      ["no password", form({ username: "alice" }), {}],
      ["no user name", form({ password: PASSWORD }), {}],
      ["empty fields", form({ username: "", password: "" }), {}],
      ["no object", "[]", { "content-type": "application/json" }],
      ["broken JSON", "{", { "content-type": "application/json" }],
      ["a list for a name", ...json({ username: ["alice"], password: PASSWORD })],
      ["an object for a password", ...json({ username: "alice", password: { $ne: "" } })],
      ["true for a password", ...json({ username: "alice", password: true })],
      ["null for a password", ...json({ username: "alice", password: null })],
    ])("answers 400 to %s", async (_name, body, headers) => {
      expect(await post("/auth/", body, headers as Record<string, string>)).toMatchObject({
        status: 400,
        body: { error: "INVALID_PARAMETERS", message: expect.any(String) },
      });
    });

    it("names the field that is missing", async () => {
      expect((await post("/auth/", form({ username: "alice" }))).body.message).toContain("password");
      expect((await post("/auth/refresh", form({}))).body.message).toContain("refresh");
    });

    it("takes a number for a password as its text", async () => {
      await accounts.addUser("bob", "12345678");
      const [body, headers] = json({ username: "bob", password: 12345678 });
      expect((await post("/auth/", body, headers)).status).toBe(200);
    });

    it("refuses a body over 64 KiB, announced or not, and one of another kind", async () => {
      const big = JSON.stringify({ username: "alice", password: "x".repeat(64 * 1024) });
      const chunked = new Blob([big]).stream();
      const type = { "content-type": "application/json" };
      expect(await post("/auth/", big, type)).toMatchObject({
        status: 413,
        body: { error: "BODY_TOO_LARGE" },
      });
      const streamed = new Request("http://ground/auth/", {
        method: "POST",
        body: chunked,
        headers: type,
        duplex: "half",
      });
      expect((await app.request(streamed)).status).toBe(413);
      expect(await post("/auth/", "alice", { "content-type": "text/plain" })).toMatchObject({ status: 415 });
    });

    it("answers 429 with Retry-After after five failures, whether or not the user exists", async () => {
      for (const username of ["alice", "nobody"]) {
        for (let n = 0; n < 5; n++) {
          expect((await post("/auth/", form({ username, password: "wrong password" }))).status).toBe(401);
        }
        const held = await post("/auth/", form({ username, password: PASSWORD }));
        expect(held).toMatchObject({ status: 429, body: { error: "TOO_MANY_ATTEMPTS", retry_after: 1 } });
        expect(held.headers.get("retry-after")).toBe("1");
      }
      clock.now += 1000;
      expect(await logIn()).toHaveProperty("access");
    });
  });

  describe("refresh", () => {
    it("answers a new access token to a form or JSON", async () => {
      const { refresh } = await logIn();
      clock.now += 24 * 3600_000;
      for (const answer of [
        await post("/auth/refresh", form({ refresh })),
        await post("/auth/refresh/", ...json({ refresh })),
      ]) {
        expect(answer.status).toBe(200);
        expect(Object.keys(answer.body)).toEqual(["access"]);
        expect(await get("/me", `Bearer ${answer.body.access}`)).toMatchObject({ status: 200 });
      }
    });

    it("answers 401 to an access token, an old one, or none", async () => {
      const { access, refresh } = await logIn();
      const refused = { status: 401, body: { error: "UNAUTHORIZED", detail: "Token is invalid or expired" } };
      expect(await post("/auth/refresh", form({ refresh: access }))).toMatchObject(refused);
      expect(await post("/auth/refresh", form({ refresh: "none" }))).toMatchObject(refused);
      clock.now += 30 * 24 * 3600_000;
      expect(await post("/auth/refresh", form({ refresh }))).toMatchObject(refused);
    });
  });

  describe("a user's token", () => {
    it("is read with any case of Bearer", async () => {
      const { access } = await logIn();
      for (const scheme of ["Bearer", "bearer", "BEARER", "bEaReR "]) {
        expect(await get("/me", `${scheme} ${access}`)).toMatchObject({
          status: 200,
          body: { user: "alice" },
        });
      }
    });

    it("is needed, and of the right kind", async () => {
      const { access, refresh } = await logIn();
      const { token } = await accounts.addEdge("em");
      const none = Buffer.from('{"alg":"none"}').toString("base64url");
      for (const authorization of [
        undefined,
        "Bearer",
        "Bearer ",
        access,
        `Basic ${access}`,
        `Bearer ${access} x`,
        `Bearer ${access}x`,
        `Bearer ${refresh}`,
        `Bearer ${token}`,
        `Bearer ${none}.${access.split(".")[1]}.`,
      ]) {
        const answer = await get("/me", authorization);
        expect(answer).toMatchObject({ status: 401, body: { error: "UNAUTHORIZED" } });
        expect(answer.headers.get("www-authenticate")).toBe("Bearer");
      }
    });

    it("ends an hour later", async () => {
      const { access } = await logIn();
      clock.now += 3600_000;
      expect((await get("/me", `Bearer ${access}`)).status).toBe(401);
    });

    it.each([
      ["the user is removed", (a: Accounts) => a.removeUser("alice")],
      [
        "the user is removed and made again",
        async (a: Accounts) => {
          await a.removeUser("alice");
          await a.addUser("alice", PASSWORD);
        },
      ],
      ["the password is changed", (a: Accounts) => a.setPassword("alice", "a new password")],
    ])("ends at once when %s, and so does the refresh token", async (_name, change) => {
      const { access, refresh } = await logIn();
      await change(accounts);
      expect((await get("/me", `Bearer ${access}`)).status).toBe(401);
      expect((await post("/auth/refresh", form({ refresh }))).status).toBe(401);
    });
  });

  describe("an agent's token", () => {
    it("names its edge until it is revoked, and opens no user's route", async () => {
      const { token } = await accounts.addEdge("em");
      expect(await get("/agent", `bearer ${token}`)).toMatchObject({ status: 200, body: { edge: "em" } });
      await accounts.revokeEdgeToken("em");
      expect(await get("/agent", `Bearer ${token}`)).toMatchObject({
        status: 401,
        body: { error: "UNAUTHORIZED" },
      });
    });

    it("is not a user's", async () => {
      const { access } = await logIn();
      for (const authorization of [undefined, `Bearer ${access}`, "Bearer pga_"]) {
        expect((await get("/agent", authorization)).status).toBe(401);
      }
    });
  });
});
