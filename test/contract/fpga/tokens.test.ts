import { beforeAll, describe, expect, it } from "vitest";
import { bare, other, type User, user } from "./support/session.ts";

let me: User;
let they: User;
beforeAll(async () => {
  [me, they] = await Promise.all([user(), other()]);
});

const NONE = "0".repeat(32);
const MICROSECONDS = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;

/** Asks for a token, for the first user unless another is named. */
const ask = (who: object = {}, rest: object = {}, target = "/v3/auth/tokens") => {
  const of = { domain: { name: "any" }, name: me.name, password: me.password, ...who };
  const identity = { methods: ["password"], password: { user: of } };
  return bare("POST", target, { body: JSON.stringify({ auth: { identity, ...rest } }) });
};
const projects = async (token: string, query: string) => {
  const { status, text } = await bare("GET", `/v3/projects${query}`, { headers: { "x-auth-token": token } });
  return [status, JSON.parse(text)];
};

describe("a token for a name and a password", () => {
  it.each([
    ["no scope", () => ({})],
    [
      "a project's name in any domain",
      () => ({ scope: { project: { name: me.edge, domain: { id: "x" } } } }),
    ],
    ["a project's id", () => ({ scope: { project: { id: me.project } } })],
  ])("is of the project, with %s", async (_, scope) => {
    const answer = await ask({}, scope(), "/v3/auth/tokens?nocatalog");
    expect([answer.status, answer.headers["content-type"]]).toEqual([201, "application/json"]);
    const domain = { id: me.domain, name: me.name };
    const { token } = JSON.parse(answer.text);
    expect(token).toEqual({
      methods: ["password"],
      issued_at: expect.stringMatching(MICROSECONDS),
      expires_at: expect.stringMatching(MICROSECONDS),
      project: { id: me.project, name: me.edge, domain },
      user: { id: expect.stringMatching(/^[0-9a-f]{32}$/), name: me.name, domain },
      roles: [{ id: expect.any(String), name: "fpga" }],
      catalog: [],
    });
    const own = String(answer.headers["x-subject-token"]);
    const listed = await bare("GET", `${me.base}/detail`, { headers: { "x-auth-token": own } });
    expect(listed.status).toBe(200);
  });

  it("is given for the user's id too, once a token told it", async () => {
    const { id } = JSON.parse((await ask()).text).token.user;
    expect((await ask({ name: undefined, id })).status).toBe(201);
  });

  it.each([
    ["a wrong password", () => ask({ password: "wrong" })],
    ["an unknown name", () => ask({ name: "nobody" })],
    ["an unknown project", () => ask({}, { scope: { project: { name: `${me.edge}x` } } })],
    ["an unknown project's id", () => ask({}, { scope: { project: { id: NONE } } })],
    ["another user's project", () => ask({}, { scope: { project: { id: they.project } } })],
    ["another method", () => ask({}, { identity: { methods: ["token"] } })],
  ])("is refused with %s, in the form of this route", async (_, refused) => {
    const { status, text } = await refused();
    expect(status).toBe(401);
    expect(JSON.parse(text)).toEqual({
      error: { code: 401, message: expect.any(String), title: "Unauthorized" },
    });
  });

  it.each(["", "{", "[]", "{}", '{"auth":{"identity":{"methods":"password"}}}'])(
    "is not given for the body %s",
    async (body) => {
      const { status, text } = await bare("POST", "/v3/auth/tokens", { body });
      expect([status, JSON.parse(text)]).toEqual([
        400,
        { error: { code: 400, message: expect.any(String), title: "Bad Request" } },
      ]);
    },
  );
});

describe("projects", () => {
  it("are the caller's, all of them or the one of a name", async () => {
    const { token, project, domain, edge } = me;
    const own = { id: project, domain_id: domain, name: edge, enabled: true };
    expect(await projects(token, `?name=${edge}`)).toEqual([200, { projects: [own], links: {} }]);
    expect(await projects(token, `?name=${edge}x`)).toEqual([200, { projects: [], links: {} }]);
    const [, all] = await projects(token, "");
    expect(all.projects).toContainEqual(own);
    expect(all.projects).not.toContainEqual(expect.objectContaining({ id: they.project }));
  });

  it("are told to nobody without credentials", async () => {
    const { status, text } = await bare("GET", "/v3/projects");
    expect([status, JSON.parse(text).error]).toEqual([
      401,
      { code: 401, message: expect.any(String), title: "Unauthorized" },
    ]);
  });
});
