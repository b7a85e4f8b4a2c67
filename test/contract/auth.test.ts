import { describe, expect, it } from "vitest";
import { type Answer, Client } from "./support/client.ts";
import { expectInvalid, expectRefusal } from "./support/expectations.ts";
import { EM_ROUTES } from "./support/routes.ts";
import { named, nobody, target, user } from "./support/session.ts";

const JWT = /^[\w-]+\.[\w-]+\.[\w-]+$/;
const credentials = { username: target.user.name, password: target.user.password };

const tokensOf = async () => (await nobody.form("/auth/", credentials)).json as Record<string, string>;
const nodesWith = (token: string) => new Client(target.url, token).get("/em/nodes/status");

function expectUnauthorized(answer: Answer, code = "UNAUTHORIZED") {
  const body = expectRefusal(answer, 401, code);
  expect(body.detail).toEqual(expect.any(String));
  return body;
}

describe("log in", () => {
  it.each([
    ["a multipart form", () => nobody.form("/auth/", credentials)],
    ["a url-encoded form", () => nobody.encoded("/auth/", credentials)],
    ["JSON", () => nobody.json("/auth/", credentials)],
    ["no slash at the end", () => nobody.form("/auth", credentials)],
    ["doubled slashes", () => nobody.json("//auth//", credentials)],
    ["fields that nobody knows", () => nobody.json("/auth/", { ...credentials, remember: true })],
  ])("gives two tokens for %s", async (_how, send) => {
    const answer = await send();
    expect(answer.status).toBe(200);
    expect(answer.header("content-type")).toMatch(/^application\/json\b/);
    expect(answer.json).toEqual({
      access: expect.stringMatching(JWT),
      refresh: expect.stringMatching(JWT),
    });
    expect(answer.json.access).not.toBe(answer.json.refresh);
  });

  it("refuses a wrong password and an unknown user alike", async () => {
    const wrong = await nobody.form("/auth/", { ...credentials, password: "not it" });
    const unknown = await nobody.form("/auth/", {
      username: named("x").replace("-", ""),
      password: "not it",
    });
    const body = expectUnauthorized(wrong, "INVALID_CREDENTIALS");
    expect(expectUnauthorized(unknown, "INVALID_CREDENTIALS")).toEqual(body);
    // the right one still works, and forgets the wrong one
    expect((await nobody.form("/auth/", credentials)).status).toBe(200);
  });

  it("names a missing field", async () => {
    expectInvalid(await nobody.form("/auth/", { username: "x" }), "password");
    expectInvalid(await nobody.json("/auth/", { password: "x" }), "username");
    expectRefusal(await nobody.request("POST", "/auth/"), 400, "INVALID_PARAMETERS");
  });

  it("refuses bodies of another kind, broken or too large ones", async () => {
    const headers = { "content-type": "text/plain" };
    expectRefusal(
      await nobody.request("POST", "/auth/", { headers, body: "hello" }),
      415,
      "UNSUPPORTED_MEDIA_TYPE",
    );
    const json = { "content-type": "application/json" };
    expectRefusal(
      await nobody.request("POST", "/auth/", { headers: json, body: "{" }),
      400,
      "INVALID_PARAMETERS",
    );
    const large = { username: "x", password: "y".repeat(2 * 1024 * 1024) };
    expectRefusal(await nobody.json("/auth/", large), 413, "BODY_TOO_LARGE");
  });

  it("is a POST", async () => {
    for (const path of ["/auth/", "/auth", "/auth/refresh"]) {
      expectRefusal(await nobody.get(path), 405, "METHOD_NOT_ALLOWED");
    }
  });

  it("slows guessing, and says for how long", async () => {
    const guess = { username: `guess${target.run}`, password: "wrong" };
    let answer = await nobody.form("/auth/", guess);
    for (let i = 0; answer.status === 401 && i < 10; i++) answer = await nobody.form("/auth/", guess);
    expectRefusal(answer, 429, "TOO_MANY_ATTEMPTS");
    expect(Number(answer.header("retry-after"))).toBeGreaterThan(0);
    // never another user of the same address
    expect((await nobody.form("/auth/", credentials)).status).toBe(200);
  });
});

describe("refresh", () => {
  it.each(["form", "encoded", "json"] as const)("gives a new access token (%s)", async (how) => {
    const { refresh } = await tokensOf();
    const answer = await nobody[how]("/auth/refresh", { refresh: refresh! });
    expect(answer.status).toBe(200);
    expect(answer.json).toEqual({ access: expect.stringMatching(JWT) });
    expect((await nodesWith(answer.json.access)).status).toBe(200);
  });

  it("keeps the two kinds of token apart", async () => {
    const { access, refresh } = await tokensOf();
    expectUnauthorized(await nobody.form("/auth/refresh", { refresh: access! }));
    expectUnauthorized(await nodesWith(refresh!));
  });

  it("refuses nonsense", async () => {
    expectUnauthorized(await nobody.form("/auth/refresh", { refresh: "nonsense" }));
    expectInvalid(await nobody.form("/auth/refresh", {}), "refresh");
  });
});

describe("without a token of the user", () => {
  const more = ["/commands", "/commands/01JD0000000000000000000001", "/edge"];

  it.each(EM_ROUTES.map((route) => [route.path, route] as const))("%s is 401", async (_path, route) => {
    expectUnauthorized(await route.call(nobody, named("x")));
  });

  it.each(more)("%s is 401", async (path) => {
    expectUnauthorized(await nobody.get(path));
  });

  it("cancelling is 401", async () => {
    expectUnauthorized(await nobody.request("POST", `${more[1]}/cancel`));
  });

  it("malformed, altered, foreign and unsigned tokens are 401", async () => {
    const { access } = await tokensOf();
    const [head, body, signature] = access!.split(".") as [string, string, string];
    const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const claims = JSON.parse(Buffer.from(body, "base64url").toString());
    const flipped = `${signature[0] === "A" ? "B" : "A"}${signature.slice(1)}`;
    for (const token of [
      "x",
      "a.b.c",
      `${head}.${body}.${flipped}`,
      `${head}.${encode({ ...claims, sub: target.other.name })}.${signature}`,
      `${head}.${encode({ ...claims, exp: claims.exp + 86_400 })}.${signature}`,
      `${encode({ alg: "none", typ: "JWT" })}.${body}.`,
      `${encode({ alg: "HS256", typ: "JWT" })}.${body}.${encode("secret")}`,
    ]) {
      expectUnauthorized(await nodesWith(token));
    }
  });

  it("other schemes are 401, the scheme's letter case does not matter", async () => {
    const { access } = await tokensOf();
    const basic = Buffer.from(`${credentials.username}:${credentials.password}`).toString("base64");
    for (const authorization of [`Basic ${basic}`, "Bearer", "Bearer ", access!, `Token ${access}`]) {
      expectUnauthorized(await nobody.get("/em/nodes/status", {}, { headers: { authorization } }));
    }
    const headers = { authorization: `bearer ${access}` };
    expect((await nobody.get("/em/nodes/status", {}, { headers })).status).toBe(200);
  });

  it("tells it before anything else about the request", async () => {
    const headers = { "content-type": "text/plain" };
    const answer = await nobody.request("POST", "/em/pod/run", { headers, body: "hello" });
    expectUnauthorized(answer);
    expect((await (await user()).get("/em/nodes/status")).status).toBe(200);
  });
});
