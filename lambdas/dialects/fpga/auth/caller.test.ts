import { randomBytes } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import { text } from "node:stream/consumers";
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Account } from "#lambdas/auth/accounts.ts";
import type { GroundEnv } from "#lambdas/http/env.ts";
import { PublicHosts } from "#lambdas/http/public-hosts.ts";
import { collectBody } from "#lambdas/http/read-body.ts";
import { PerigeeError } from "#protocol/errors.ts";
import { signSdk } from "#test/support/fpga/sign-sdk.ts";
import { MemoryTable } from "#test/support/memory-store.ts";
import { OwnRecords } from "../../own-records.ts";
import { projectOf } from "../project.ts";
import { AccessKeys } from "./access-keys.ts";
import { arrived } from "./arrived.ts";
import { type CallerDeps, callerOf } from "./caller.ts";
import { SecretSeal } from "./sealed-secret.ts";

const NOW = Date.parse("2026-11-27T12:00:00Z");
const DATE = "20261127T120000Z";
const account = (name: string, uid = `uid-${name}`): Account => ({ name, uid, generation: 1, createdAt: 0 });

const accounts = new Map<string, Account>();
const grants = new Set<string>();
const keys = new AccessKeys(
  new OwnRecords(new MemoryTable().open(), "fpga"),
  new SecretSeal([randomBytes(32)]),
);
const deps: CallerDeps = {
  users: {
    ofToken: async (token) => {
      const of = accounts.get(token.replace("token-of-", ""));
      if (!of) throw new PerigeeError("UNAUTHORIZED", "Token is invalid or expired");
      return of;
    },
    find: async (name) => accounts.get(name),
    session: (_hash, read) => read(),
    edgeOf: async ({ uid }, edge) => {
      if (edge === undefined || !grants.has(`${uid} ${edge}`))
        throw new PerigeeError("EDGE_NOT_FOUND", "no such edge");
      return edge;
    },
  },
  keys,
  now: () => NOW,
};

let server: ReturnType<typeof serve>;
let port: number;
let key: { accessKey: string; secret: string };
beforeAll(async () => {
  const app = new Hono<GroundEnv>();
  app.all("*", async (c) => {
    const request = await arrived(c, new PublicHosts({ hosts: ["ground.example:8443"] }), 1000);
    const { account: of, project } = await callerOf(request, deps);
    return c.json({ user: of.name, project: project?.id, body: String(await collectBody(c, 1000)) });
  });
  app.onError((error, c) => c.json({ refused: (error as PerigeeError).code, why: error.message }, 401));
  server = serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" });
  await once(server, "listening");
  port = (server.address() as { port: number }).port;
  for (const name of ["ada", "bob"]) accounts.set(name, account(name));
  grants.add("uid-ada em1");
  key = await keys.create(projectOf(account("ada"), "em1"), NOW);
});
afterAll(() => new Promise((closed) => server.close(closed)));

/** Sends the target and headers as they are given. */
async function send(of: {
  method?: string;
  target?: string;
  headers?: Record<string, string>;
  body?: string;
}) {
  const { method = "GET", target = "/", headers = {}, body } = of;
  const request = http.request({ port, host: "127.0.0.1", method, path: target, headers });
  request.end(body);
  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  return JSON.parse(await text(response)) as Record<string, unknown>;
}

function signed(of: {
  method?: string;
  target?: string;
  host?: string;
  body?: string;
  scope?: string;
  secret?: string;
  accessKey?: string;
}) {
  const { method = "GET", target = "/v1/x", host = `127.0.0.1:${port}`, ...rest } = of;
  const headers = { Host: host, "X-Sdk-Date": DATE };
  const authorization = signSdk({ ...key, method, target, headers, ...rest });
  const length: Record<string, string> =
    of.body === undefined ? {} : { "content-length": String(Buffer.byteLength(of.body)) };
  return { method, target, body: of.body!, headers: { ...headers, ...length, authorization } };
}
const ADA = { user: "ada", project: projectOf(account("ada"), "em1").id };

it.each([
  ["a target that URL classes would change", { target: "//v1//x/../y/./%2e%2e/z?b=%20&a" }],
  ["a POST", { method: "POST", body: '{"a":"é"}' }],
  ["a DELETE with a body", { method: "DELETE", body: '{"image":{}}' }],
  ["a scope", { scope: "20261127/em1/ecs" }],
])("a signature over what was sent is accepted: %s", async (_what, of: Parameters<typeof signed>[0]) => {
  expect(await send(signed(of))).toEqual({ ...ADA, body: of.body ?? "" });
});

it("a signature over the public host is accepted, whatever a proxy made of Host", async () => {
  const request = signed({ host: "ground.example:8443" });
  expect(await send({ ...request, headers: { ...request.headers, Host: "inner" } })).toMatchObject(ADA);
  const other = signed({ host: "ground.example" });
  expect(await send({ ...other, headers: { ...other.headers, Host: "inner" } })).toMatchObject({
    refused: "UNAUTHORIZED",
  });
});

it("whatever is wrong with a signature has one answer", async () => {
  const wrong = [
    signed({ secret: "x".repeat(40) }),
    signed({ accessKey: `PG${"A".repeat(18)}` }),
    { ...signed({}), target: "/v1/y" },
    { ...signed({ method: "POST", body: "a" }), body: "b" },
  ];
  const answers = await Promise.all(wrong.map(send));
  expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
  expect(answers[0]).toMatchObject({ refused: "UNAUTHORIZED" });
});

it.each(["a(b", "", "\u212a"])(
  "a signed header whose name no header can have is refused: %j",
  async (name) => {
    const { headers, ...rest } = signed({});
    const named = headers.authorization.replace("SignedHeaders=", `SignedHeaders=${name};`);
    const authorization = Buffer.from(named).toString("latin1");
    expect(await send({ ...rest, headers: { ...headers, authorization } })).toMatchObject({
      refused: "UNAUTHORIZED",
    });
  },
);

it("X-Auth-Token decides alone, and a bearer token does as well", async () => {
  const token = "token-of-bob";
  expect(await send({ headers: { "X-Auth-Token": token } })).toMatchObject({ user: "bob" });
  expect(await send({ headers: { authorization: `Bearer ${token}` } })).toMatchObject({ user: "bob" });
  const request = signed({});
  const both = (value: string) =>
    send({ ...request, headers: { ...request.headers, "X-Auth-Token": value } });
  expect(await both(token)).toEqual({ user: "bob", body: "" });
  expect(await both("none")).toMatchObject({ refused: "UNAUTHORIZED" });
  const wrong: Record<string, string>[] = [
    {},
    { authorization: `Bearer ${key.secret}` },
    { "X-Auth-Token": key.accessKey },
    { authorization: `Basic ${token}` },
  ];
  for (const headers of wrong) {
    expect(await send({ headers })).toMatchObject({ refused: "UNAUTHORIZED" });
  }
});

it("a key ends with its grant, its user, and its revocation", async () => {
  grants.delete("uid-ada em1");
  expect(await send(signed({}))).toMatchObject({ refused: "UNAUTHORIZED" });
  grants.add("uid-ada em1");
  // the name was given anew
  accounts.set("ada", account("ada", "uid-other"));
  expect(await send(signed({}))).toMatchObject({ refused: "UNAUTHORIZED" });
  accounts.set("ada", account("ada"));
  expect(await send(signed({}))).toMatchObject(ADA);
  const other = await keys.create(projectOf(account("ada"), "em1"), NOW);
  expect(await send(signed(other))).toMatchObject(ADA);
  await keys.revoke(ADA.project, other.accessKey);
  expect(await send(signed(other))).toMatchObject({ refused: "UNAUTHORIZED" });
});
