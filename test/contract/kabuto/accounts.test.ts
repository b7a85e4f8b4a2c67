import { expect, test } from "vitest";
import { KabutoClient } from "./support/client.ts";
import { me, nobody, target } from "./support/session.ts";

/** Section 2. An address may register 20 times an hour: each test few. */
const login = (name: string) => `${target.run}-${name}`;
const account = (name: string) => ({
  login: login(name),
  password: "SecreT",
  email: `${login(name)}@example.com`,
});
const INVALID = { registration: "user or token not found" };

test("registering, confirming, logging in, as on the contract page", async () => {
  const client = nobody();
  const fields = account("me");
  const registered = await client.send("POST", "/register", { body: new URLSearchParams(fields) });
  expect([registered.status, registered.json]).toEqual([
    200,
    { status: "success", token: expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/) },
  ]);
  expect(registered.headers.getSetCookie()).toEqual([]);
  const confirm = `/register/confirm/${fields.login}/${registered.json.token}`;
  for (let again = 0; again < 2; again++)
    expect(await client.get(confirm)).toEqual({ registration: "success" });
  expect(await client.get(`/register/confirm/${fields.login}/other`)).toEqual(INVALID);
  expect(await client.get(`/register/confirm/${login("nobody")}/${registered.json.token}`)).toEqual(INVALID);
  expect(await client.post("/register", fields)).toEqual({
    status: "fail",
    error: "Login or email is already in use",
  });
  const sameMail = { ...account("else"), email: fields.email.toUpperCase() };
  expect(await client.post("/register", sameMail)).toEqual({
    status: "fail",
    error: "Login or email is already in use",
  });

  const { login: name, password } = fields;
  const opened = await client.send("POST", "/login", {
    body: new URLSearchParams({ login: name, password }),
  });
  expect([opened.status, opened.json]).toEqual([200, { login: "success" }]);
  expect(opened.headers.getSetCookie()).toEqual([
    expect.stringMatching(
      target.url.startsWith("https:")
        ? /^session=[A-Za-z0-9_-]{43}; HttpOnly; Path=\/; SameSite=Strict; Secure$/
        : /^session=[A-Za-z0-9_-]{43}; HttpOnly; Path=\/; SameSite=Strict$/,
    ),
  ]);
  const hello = await client.send("GET", "/");
  expect([hello.status, hello.json, hello.headers.getSetCookie()]).toEqual([200, { hello: "world" }, []]);
  expect(await client.post("/logout")).toEqual({ logout: "success" });
  expect((await client.send("GET", "/")).status).toBe(401);
});

test("nobody is told more than 401 of a wrong password or an unknown login", async () => {
  for (const fields of [
    { login: login("unknown"), password: "x" },
    { login: login("unknown2"), password: "SecreT" },
  ]) {
    const answer = await nobody().send("POST", "/login", { body: new URLSearchParams(fields) });
    expect([answer.status, answer.json]).toEqual([401, { status: 401, message: "Unauthorized" }]);
    expect(answer.headers.getSetCookie()).toEqual([]);
    expect(answer.headers.get("www-authenticate")).toBeNull();
  }
});

test("any login without control characters and slashes, compared after NFC", async () => {
  const fields = { ...account("Ada L. e\u0301"), password: "x" };
  expect(await nobody().post("/register", fields)).toMatchObject({ status: "success" });
  const answer = await nobody().send("POST", "/login", {
    body: new URLSearchParams({ login: fields.login.normalize("NFC"), password: "x" }),
  });
  expect([answer.status, answer.json]).toEqual([200, { login: "success" }]);
  for (const [field, value] of [
    ["login", "a/b"],
    ["login", "a\nb"],
    ["login", "x".repeat(65)],
    ["password", "x".repeat(257)],
    ["email", "x".repeat(257)],
  ] as const) {
    const refused = await nobody().send("POST", "/register", {
      body: new URLSearchParams({ ...account("never"), [field]: value }),
    });
    expect([refused.status, refused.json], field).toEqual([
      400,
      { message: expect.stringMatching(new RegExp(`^\\[${field}\\]: `)) },
    ]);
  }
});

test("accounts of the operator log in without registering; their names are taken", async () => {
  const { login: name, password } = target.other;
  const client = nobody();
  const answer = await client.send("POST", "/login", {
    body: new URLSearchParams({ login: name, password }),
  });
  expect([answer.status, answer.json]).toEqual([200, { login: "success" }]);
  expect(await client.get("/")).toEqual({ hello: "world" });
  expect(await nobody().post("/register", { ...account("taken"), login: name })).toEqual({
    status: "fail",
    error: "Login or email is already in use",
  });
});

test("a token of the EM API is taken in place of the cookie", async () => {
  const body = new FormData();
  body.append("username", target.user.login);
  body.append("password", target.user.password);
  const { access } = (await nobody().send("POST", "/auth/", { body })).json;
  const answer = await nobody().send("GET", "/", { headers: { authorization: `Bearer ${access}` } });
  expect([answer.status, answer.json]).toEqual([200, { hello: "world" }]);
});

test("a browser is led to the console, where it is on, and */* is not", async () => {
  const script = await me.send("GET", "/", { headers: { accept: "*/*" } });
  expect([script.status, script.json]).toEqual([200, { hello: "world" }]);
  const browser = await me.send("GET", "/", { headers: { accept: "text/html,*/*;q=0.8" } });
  if (browser.status === 302) expect(browser.headers.get("location")).toBe("/console");
  else expect(browser.json).toEqual({ hello: "world" });
});

test("a cookie is found among others, and a made-up one opens nothing", async () => {
  const beside = await nobody().send("GET", "/", {
    headers: { cookie: `a=b; ${target.user.cookie}; session=x` },
  });
  expect(beside.status).toBe(200);
  expect((await new KabutoClient(target.url, `session=${"x".repeat(43)}`).send("GET", "/")).status).toBe(401);
});
