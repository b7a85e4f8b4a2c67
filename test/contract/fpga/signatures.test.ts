import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type SdkSigning, signSdk } from "#test/support/fpga/sign-sdk.ts";
import { removeImages } from "./support/images.ts";
import { type Key, makeKey, revokeKey } from "./support/keys.ts";
import { bare, other, host as ownHost, type User, user } from "./support/session.ts";

let me: User;
let they: User;
let key: Key;
beforeAll(async () => {
  [me, they] = await Promise.all([user(), other()]);
  key = await makeKey(me);
});
afterAll(async () => {
  await revokeKey(me, key);
  await removeImages(me);
});

const dateOf = (ms: number) => new Date(ms).toISOString().replaceAll(/[-:]|\.\d+/g, "");
type Asked = Partial<SdkSigning> & {
  host?: string;
  at?: number;
  /** what is sent where it is not what is signed */
  sent?: { method?: string; target?: string; body?: string; headers?: Record<string, string> };
};

/** One request in each form; the same status is expected of both. */
async function status({ host = ownHost, at = Date.now(), sent = {}, ...of }: Asked = {}): Promise<number> {
  const { method = "GET", target = `${me.base}/detail`, body } = of;
  const date = dateOf(at);
  const headers = { host, "x-sdk-date": date, ...of.headers };
  const found: number[] = [];
  for (const scope of [undefined, `${date.slice(0, 8)}/anywhere/ecs`]) {
    const signing = { ...key, method, target, headers, ...of, ...(of.headers && { headers }) };
    const authorization = signSdk({ ...signing, ...(scope !== undefined && { scope: of.scope ?? scope }) });
    const bytes = sent.body ?? body;
    const answer = await bare(sent.method ?? method, sent.target ?? target, {
      headers: { ...headers, host: ownHost, authorization, ...sent.headers },
      ...(bytes !== undefined && { body: bytes }),
    });
    found.push(answer.status);
  }
  expect(new Set(found).size).toBe(1);
  return found[0]!;
}

describe("a request that is signed over what arrives", () => {
  const body = JSON.stringify({ fpga_image: { location: "abc:f.bin", name: "n", metadata: {} } });

  it.each([
    "/detail",
    "/detail/",
    "/detail?",
    "//detail",
    "/detail?page=1&size=2",
    "/detail?size=2&page=1",
    "/detail?page=&size=",
    "/detail?x=a%20b&x=A&y",
    "/detail?x=%7e*'()&%41=1",
  ])("is accepted at %s", async (path) => {
    expect(await status({ target: `${me.base}${path}` })).toBe(200);
  });

  it("has its body signed, of POST and of DELETE, and its headers", async () => {
    for (const target of [me.base, `/${me.base}//`]) {
      expect(await status({ method: "POST", target, body })).toBe(200);
    }
    const pair = JSON.stringify({ image: { id: "0b5ee0d5-7e2f-4f6c-9a37-6f1b0f0c2a11" } });
    const target = `${me.base}/${"0".repeat(32)}/association`;
    expect(await status({ method: "DELETE", target, body: pair })).toBe(404);
    expect(await status({ headers: { "content-type": "application/json", "x-project-id": " a  b " } })).toBe(
      200,
    );
    expect(await status({ target: `/v3/projects?name=${me.edge}` })).toBe(200);
  });

  it.each<[string, Asked]>([
    ["another method", { sent: { method: "POST", target: "/v3/projects" }, target: "/v3/projects" }],
    ["another query", { sent: { target: "/v3/projects?name=em2" }, target: "/v3/projects?name=em1" }],
    ["another body", { method: "POST", body: "{}", sent: { body: "{ }" } }],
    ["a body that was none", { method: "POST", sent: { body: "{}" } }],
    ["a host with another port", { host: `${ownHost.replace(/:\d+$/, "")}:1` }],
    ["another host", { host: "other.example" }],
    ["a clock that is late", { at: Date.now() - 16 * 60_000 }],
    ["a clock that is early", { at: Date.now() + 16 * 60_000 }],
    ["another secret", { secret: "x".repeat(40) }],
    ["an unknown key", { accessKey: `PG${"A".repeat(18)}` }],
    ["no signed host", { signed: ["x-sdk-date"] }],
    ["no signed date", { signed: ["host"] }],
    ["a signed header that was changed", { headers: { "x-a": "1" }, sent: { headers: { "x-a": "2" } } }],
  ])("is refused with %s", async (_, asked) => {
    const target = asked.target ?? (asked.method === "POST" ? me.base : undefined);
    const got = await status({ ...asked, ...(target !== undefined && { target }) });
    // a method that the route does not have is told before anybody is authenticated
    expect(got).toBe(asked.sent?.method === "POST" ? 405 : 401);
  });

  it("is accepted again, and with a clock that is off by less than 15 minutes", async () => {
    for (const at of [Date.now(), Date.now(), Date.now() - 14 * 60_000, Date.now() + 14 * 60_000]) {
      expect(await status({ at })).toBe(200);
    }
  });

  it("is of its key's project alone", async () => {
    expect(await status({ target: `${they.base}/detail` })).toBe(400);
  });
});

describe("a scope", () => {
  const withScope = async (scope: string) => {
    const target = `${me.base}/detail`;
    const headers = { host: ownHost, "x-sdk-date": dateOf(Date.now()) };
    const authorization = signSdk({ ...key, method: "GET", target, headers, scope });
    return (await bare("GET", target, { headers: { ...headers, authorization } })).status;
  };

  it("is of the date, in any region and service", async () => {
    const day = dateOf(Date.now()).slice(0, 8);
    for (const rest of ["em1/ecs", "x/iam"]) expect(await withScope(`${day}/${rest}`)).toBe(200);
    expect(await withScope(`${dateOf(Date.now() - 48 * 3600_000).slice(0, 8)}/em1/ecs`)).toBe(401);
  });
});

describe("X-Auth-Token", () => {
  it("decides alone", async () => {
    const bearer = { authorization: `Bearer ${me.token}` };
    const ask = async (headers: Record<string, string>) =>
      (await bare("GET", `${me.base}/detail`, { headers })).status;
    expect(await ask(bearer)).toBe(200);
    expect(await ask({ ...bearer, "x-auth-token": "x" })).toBe(401);
    expect(await ask({ ...bearer, "x-auth-token": "" })).toBe(401);
    expect(await ask({ authorization: "x", "x-auth-token": me.token })).toBe(200);
    expect(await ask({ ...bearer, "x-auth-token": they.token })).toBe(400);
  });

  it("is no access key, and an access key no token, nor good for another API", async () => {
    for (const token of [key.accessKey, key.secret]) {
      const headers = { authorization: `Bearer ${token}` };
      expect((await bare("GET", `${me.base}/detail`, { headers })).status).toBe(401);
    }
    const headers = { host: ownHost, "x-sdk-date": dateOf(Date.now()) };
    for (const target of ["/commands", "/edge", "/em/nodes/status", "/fpga/keys", "/fpga/objects"]) {
      const authorization = signSdk({ ...key, method: "GET", target, headers });
      const answer = await bare("GET", target, { headers: { ...headers, authorization } });
      expect(answer.status, target).toBe(401);
    }
  });
});
