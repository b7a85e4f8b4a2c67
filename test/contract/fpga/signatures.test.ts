import type { LambdaFunctionURLEvent } from "aws-lambda";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bufferedHandler } from "#lambdas/function-url/handler.ts";
import { TimeLeft } from "#lambdas/http/time-left.ts";
import { type FpgaGround, startFpgaGround } from "#test/dialects/fpga/support/fpga-ground.ts";
import { type SdkSigning, signSdk } from "#test/support/fpga/sign-sdk.ts";

type Key = { accessKey: string; secret: string };
let ground: FpgaGround;
let key: Key;
beforeAll(async () => {
  ground = await startFpgaGround({ publicHosts: ["ground.example:8443"] });
  key = await ground.parts.keys.create(ground.project(), Date.now());
});
afterAll(() => ground.stop());

const dateOf = (ms: number) => new Date(ms).toISOString().replaceAll(/[-:]|\.\d+/g, "");
type Asked = Partial<SdkSigning> & {
  host?: string;
  at?: number;
  /** what is sent where it is not what is signed */
  sent?: { method?: string; target?: string; body?: string; headers?: Record<string, string> };
};

/** One request in each form; the same status is expected of both. */
async function status({ host, at = Date.now(), sent = {}, ...of }: Asked = {}): Promise<number> {
  const { method = "GET", target = `${ground.base()}/detail`, body } = of;
  const signedHost = host ?? `127.0.0.1:${ground.port}`;
  const date = dateOf(at);
  const headers = { host: signedHost, "x-sdk-date": date, ...of.headers };
  const found: number[] = [];
  for (const scope of [undefined, `${date.slice(0, 8)}/anywhere/ecs`]) {
    const signing = { ...key, method, target, headers, ...of, ...(of.headers && { headers }) };
    const authorization = signSdk({ ...signing, ...(scope !== undefined && { scope: of.scope ?? scope }) });
    const bytes = sent.body ?? body;
    const answer = await ground.send(sent.method ?? method, sent.target ?? target, {
      headers: { ...headers, host: `127.0.0.1:${ground.port}`, authorization, ...sent.headers },
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
    expect(await status({ target: `${ground.base()}${path}` })).toBe(200);
  });

  it("has its body signed, of POST and of DELETE, and its headers", async () => {
    expect(await status({ method: "POST", target: ground.base(), body })).toBe(200);
    const pair = JSON.stringify({ image: { id: "0b5ee0d5-7e2f-4f6c-9a37-6f1b0f0c2a11" } });
    const target = `${ground.base()}/${"0".repeat(32)}/association`;
    expect(await status({ method: "DELETE", target, body: pair })).toBe(404);
    expect(await status({ headers: { "content-type": "application/json", "x-project-id": " a  b " } })).toBe(
      200,
    );
    expect(await status({ host: "ground.example:8443" })).toBe(200);
    expect(await status({ target: "/v3/projects?name=em1" })).toBe(200);
  });

  it.each<[string, Asked]>([
    ["another method", { sent: { method: "POST", target: "/v3/projects" }, target: "/v3/projects" }],
    ["another query", { sent: { target: "/v3/projects?name=em2" }, target: "/v3/projects?name=em1" }],
    ["another body", { method: "POST", body: "{}", sent: { body: "{ }" } }],
    ["a body that was none", { method: "POST", sent: { body: "{}" } }],
    ["a host without its port", { host: "127.0.0.1" }],
    ["another host", { host: "other.example" }],
    ["a clock that is late", { at: Date.now() - 16 * 60_000 }],
    ["a clock that is early", { at: Date.now() + 16 * 60_000 }],
    ["another secret", { secret: "x".repeat(40) }],
    ["an unknown key", { accessKey: `PG${"A".repeat(18)}` }],
    ["no signed host", { signed: ["x-sdk-date"] }],
    ["no signed date", { signed: ["host"] }],
    ["a signed header that was changed", { headers: { "x-a": "1" }, sent: { headers: { "x-a": "2" } } }],
  ])("is refused with %s", async (_, asked) => {
    const target = asked.target ?? (asked.method === "POST" ? ground.base() : undefined);
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
    expect(await status({ target: `${ground.base("bob")}/detail` })).toBe(400);
  });
});

describe("a scope", () => {
  const withScope = async (scope: string) => {
    const target = `${ground.base()}/detail`;
    const headers = { host: `127.0.0.1:${ground.port}`, "x-sdk-date": dateOf(Date.now()) };
    const authorization = signSdk({ ...key, method: "GET", target, headers, scope });
    return (await ground.send("GET", target, { headers: { ...headers, authorization } })).status;
  };

  it("is of the date, in any region and service", async () => {
    const day = dateOf(Date.now()).slice(0, 8);
    for (const rest of ["em1/ecs", "x/iam"]) expect(await withScope(`${day}/${rest}`)).toBe(200);
    expect(await withScope(`${dateOf(Date.now() - 48 * 3600_000).slice(0, 8)}/em1/ecs`)).toBe(401);
  });
});

describe("behind a function URL", () => {
  /** The status of a request that is signed for the URL's own host, as Lambda gives it to the app. */
  const answered = async (
    method: string,
    target: string,
    { body, sent = target }: { body?: string; sent?: string },
  ) => {
    const handler = bufferedHandler({
      app: ground.ground.app,
      timeLeft: new TimeLeft(),
      log: pino({ level: "silent" }),
    });
    const headers = { host: "abc.lambda-url.example", "x-sdk-date": dateOf(Date.now()) };
    const authorization = signSdk({ ...key, method, target, headers, ...(body !== undefined && { body }) });
    const [rawPath = "", rawQueryString = ""] = sent.split("?");
    const event = {
      version: "2.0",
      rawPath,
      rawQueryString,
      headers: { ...headers, authorization },
      isBase64Encoded: false,
      requestContext: { http: { method, path: rawPath, sourceIp: "192.0.2.7" }, domainName: headers.host },
      ...(body !== undefined && { body }),
    } as unknown as LambdaFunctionURLEvent;
    return (await handler(event, { getRemainingTimeInMillis: () => 60_000 })).statusCode;
  };

  it("it is the target as it arrived that is verified, and a body of DELETE too", async () => {
    const list = `${ground.base().replaceAll("/", "//")}/detail/?size=2&page=1`;
    expect(await answered("GET", list, {})).toBe(200);
    expect(await answered("GET", list, { sent: list.replace("size=2", "size=3") })).toBe(401);
    const pair = JSON.stringify({ image: { id: "0b5ee0d5-7e2f-4f6c-9a37-6f1b0f0c2a11" } });
    const unknown = `${ground.base()}/${"0".repeat(32)}/association`;
    expect(await answered("DELETE", unknown, { body: pair })).toBe(404);
    const body = JSON.stringify({ fpga_image: { location: "abc:f.bin", name: "n", metadata: {} } });
    expect(await answered("POST", ground.base(), { body })).toBe(200);
  });
});

describe("X-Auth-Token", () => {
  it("decides alone", async () => {
    const bearer = { authorization: `Bearer ${ground.token("ada")}` };
    const ask = async (headers: Record<string, string>) =>
      (await ground.send("GET", `${ground.base()}/detail`, { headers })).status;
    expect(await ask(bearer)).toBe(200);
    expect(await ask({ ...bearer, "x-auth-token": "x" })).toBe(401);
    expect(await ask({ ...bearer, "x-auth-token": "" })).toBe(401);
    expect(await ask({ authorization: "x", "x-auth-token": ground.token("ada") })).toBe(200);
    expect(await ask({ ...bearer, "x-auth-token": ground.token("bob") })).toBe(400);
  });

  it("is no access key, and an access key no token, nor good for another API", async () => {
    for (const token of [key.accessKey, key.secret]) {
      const headers = { authorization: `Bearer ${token}` };
      expect((await ground.send("GET", `${ground.base()}/detail`, { headers })).status).toBe(401);
    }
    const headers = { host: `127.0.0.1:${ground.port}`, "x-sdk-date": dateOf(Date.now()) };
    for (const target of ["/commands", "/edge", "/fpga/keys", "/fpga/objects"]) {
      const authorization = signSdk({ ...key, method: "GET", target, headers });
      const answer = await ground.send("GET", target, { headers: { ...headers, authorization } });
      expect(answer.status, target).toBe(401);
    }
  });
});
