import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type KabutoGround, startKabutoGround } from "./support/kabuto-ground.ts";

let ground: KabutoGround;
let now = Date.now();
beforeAll(async () => {
  ground = await startKabutoGround({ now: () => now });
});
afterAll(() => ground.stop());

const post = (path: string, fields: Record<string, string>, headers: Record<string, string> = {}) =>
  fetch(`${ground.url}${path}`, { method: "POST", body: new URLSearchParams(fields), headers });
const register = async (login: string, email = `${login}@x`, password = "SecreT") =>
  (await post("/register", { login, password, email })).json();
const logIn = (login: string, password = "SecreT") => post("/login", { login, password });
const hello = async (cookie: string, at = ground) =>
  (await fetch(`${at.url}/`, { headers: { cookie } })).status;
const cookieOf = (answer: Response) => answer.headers.get("set-cookie")!.split(";", 1)[0]!;

describe("registration", () => {
  test("answers with a token, which may be confirmed more than once", async () => {
    const answer = (await register("ada")) as { token: string };
    expect(answer).toEqual({ status: "success", token: expect.stringMatching(/^[0-9a-f-]{36}$/) });
    const confirm = async (token: string, login = "ada") =>
      (await fetch(`${ground.url}/register/confirm/${login}/${token}`)).json();
    for (let i = 0; i < 2; i++) expect(await confirm(answer.token)).toEqual({ registration: "success" });
    const unknown = { registration: "user or token not found" };
    expect(await confirm("other")).toEqual(unknown);
    expect(await confirm(answer.token, "nobody")).toEqual(unknown);
  });

  test("a login or an e-mail is somebody's once, and so are the operator's names", async () => {
    const inUse = { status: "fail", error: "Login or email is already in use" };
    await ground.ground.accounts.addUser("operated", "long enough");
    expect(await register("Ada L.")).toMatchObject({ status: "success" });
    expect(await register("Ada L.", "other@x")).toEqual(inUse);
    expect(await register("another", "ADA L.@X")).toEqual(inUse);
    expect(await register("operated")).toEqual(inUse);
    expect(await register("Ame\u0301lie")).toMatchObject({ status: "success" });
    expect(await register("Am\u00e9lie", "second@x")).toEqual(inUse);
    expect((await logIn("Am\u00e9lie")).status).toBe(200);
  });

  test("two at once get one account", async () => {
    const answers = await Promise.all([register("twice", "a@x"), register("twice", "b@x")]);
    expect(answers.map((answer) => (answer as { status: string }).status).sort()).toEqual([
      "fail",
      "success",
    ]);
  });

  test("is bounded by address and hour", async () => {
    now += 3600_000;
    const tooMany = { status: "fail", error: "Too many registrations, try again later" };
    for (let i = 0; i < 20; i++) await register("operated");
    expect(await register("late")).toEqual(tooMany);
    now += 3600_001;
    expect(await register("late")).toMatchObject({ status: "success" });
  });
});

describe("log-in", () => {
  test("sets the one cookie, with its flags and no others", async () => {
    const answer = await logIn("ada");
    expect([answer.status, await answer.json()]).toEqual([200, { login: "success" }]);
    expect(answer.headers.get("set-cookie")).toMatch(
      /^session=[A-Za-z0-9_-]{43}; HttpOnly; Path=\/; SameSite=Strict$/,
    );
    const cookie = cookieOf(answer);
    const other = await fetch(`${ground.url}/`, { headers: { cookie: `x=1; ${cookie}; y=2` } });
    expect([other.status, other.headers.get("set-cookie")]).toEqual([200, null]);
    // nobody's proxy said so
    const forged = await post(
      "/login",
      { login: "ada", password: "SecreT" },
      { "x-forwarded-proto": "https" },
    );
    expect(forged.headers.get("set-cookie")).not.toContain("Secure");
  });

  test("works for the operator's accounts, and a token of Perigee's works here", async () => {
    expect((await logIn("operated", "long enough")).status).toBe(200);
    const body = new URLSearchParams({ username: "ada", password: "SecreT" });
    const answer = await fetch(`${ground.url}/auth/`, { method: "POST", body });
    const { access } = (await answer.json()) as { access: string };
    const headers = { authorization: `Bearer ${access}` };
    expect((await fetch(`${ground.url}/jobs`, { headers })).status).toBe(200);
  });

  test("a session ends with log-out, a new password, the user's removal and after 30 days", async () => {
    const first = cookieOf(await logIn("ada"));
    const second = cookieOf(await logIn("ada"));
    const out = await fetch(`${ground.url}/logout`, { method: "POST", headers: { cookie: first } });
    expect(await out.json()).toEqual({ logout: "success" });
    expect([await hello(first), await hello(second)]).toEqual([401, 200]);
    await ground.ground.accounts.setPassword("ada", "a new password");
    expect(await hello(second)).toBe(401);
    const third = cookieOf(await logIn("ada", "a new password"));
    now += 30 * 24 * 3600_000;
    expect(await hello(third)).toBe(401);
    const fourth = cookieOf(await logIn("ada", "a new password"));
    await ground.ground.accounts.removeUser("ada");
    expect(await hello(fourth)).toBe(401);
  });

  test("a login whose account was removed is free again, and starts empty", async () => {
    await ground.ground.janitor.round();
    expect(await register("ada")).toMatchObject({ status: "success" });
    const cookie = cookieOf(await logIn("ada"));
    const answer = await fetch(`${ground.url}/pipeline`, { headers: { cookie } });
    expect(await answer.json()).toEqual({});
  });

  test("of a user's sessions the 50 newest are open", async () => {
    await register("many");
    const first = cookieOf(await logIn("many"));
    const account = (await ground.ground.accounts.getUser("many"))!;
    const { openSession } = await import("#lambdas/dialects/kabuto/sessions.ts");
    const { core } = ground.ground.dialects.find(({ dialect }) => dialect.name === "kabuto")!;
    for (let i = 0; i < 49; i++) {
      now += 1;
      await openSession(core, account);
    }
    expect(await hello(first)).toBe(200);
    now += 1;
    const last = await openSession(core, account);
    expect([await hello(first), await hello(`session=${last}`)]).toEqual([401, 200]);
  });

  test("wrong and unknown are 401 alike, and slowed ones say when to come again", async () => {
    const statuses = new Set<number>();
    let slowed: Response | undefined;
    for (let i = 0; i < 8 && !slowed; i++) {
      const answer = await logIn("many", "wrong");
      statuses.add(answer.status);
      if (answer.headers.has("retry-after")) slowed = answer;
    }
    expect([...statuses]).toEqual([401]);
    expect(await slowed!.json()).toEqual({ status: 401, message: "Unauthorized" });
    expect((await logIn("many")).status).toBe(401);
    expect((await logIn("nobody")).status).toBe(401);
  });
});

test("closed is the default, and confirm asks for it before the first log-in", async () => {
  const closed = await startKabutoGround({ settings: { PERIGEE_KABUTO_REGISTRATION: "" } });
  const strict = await startKabutoGround({
    settings: { PERIGEE_KABUTO_REGISTRATION: "confirm", PERIGEE_KABUTO_USERS: "1" },
  });
  try {
    const asked = (at: KabutoGround, login: string, path = "/register") =>
      fetch(`${at.url}${path}`, {
        method: "POST",
        body: new URLSearchParams({ login, password: "x", email: `${login}@x` }),
      });
    expect(await (await asked(closed, "me")).json()).toEqual({
      status: "fail",
      error: "Registration is closed on this ground",
    });
    const { token } = (await (await asked(strict, "me")).json()) as { token: string };
    expect(await (await asked(strict, "you")).json()).toEqual({
      status: "fail",
      error: "Too many registrations, try again later",
    });
    expect((await asked(strict, "me", "/login")).status).toBe(401);
    await fetch(`${strict.url}/register/confirm/me/${token}`);
    expect((await asked(strict, "me", "/login")).status).toBe(200);
  } finally {
    await Promise.all([closed.stop(), strict.stop()]);
  }
});

test("the cookie is Secure behind a trusted proxy that was asked over https, and only then", async () => {
  const proxied = await startKabutoGround({ trustProxy: true });
  try {
    await proxied.ground.accounts.addUser("ada", "long enough");
    const flagsOf = async (headers: Record<string, string>) => {
      const body = new URLSearchParams({ login: "ada", password: "long enough" });
      const answer = await fetch(`${proxied.url}/login`, { method: "POST", body, headers });
      return answer.headers.get("set-cookie")!.split("; ").slice(1);
    };
    const always = ["HttpOnly", "Path=/", "SameSite=Strict"];
    expect(await flagsOf({ "x-forwarded-proto": "https" })).toEqual([...always, "Secure"]);
    // the last entry is the proxy's own
    expect(await flagsOf({ "x-forwarded-proto": "http, https" })).toEqual([...always, "Secure"]);
    expect(await flagsOf({ "x-forwarded-proto": "https, http" })).toEqual(always);
    expect(await flagsOf({})).toEqual(always);
  } finally {
    await proxied.stop();
  }
});
