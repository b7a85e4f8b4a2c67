import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DIALECTS } from "../dialects/index.ts";
import { kabuto } from "../dialects/kabuto/dialect.ts";
import { createEmbeddedGround } from "../embedded.ts";
import { apiDocument } from "./document.ts";

type Link = { operationId: string; parameters?: Record<string, string> };
type Operation = {
  parameters?: { name: string }[];
  operationId?: string;
  tags?: string[];
  security?: unknown[];
  requestBody?: unknown;
  responses: Record<string, unknown>;
};
/** Whether they are on where nothing is set, or not. */
const ALL = [...new Set([...DIALECTS, kabuto])];
const document = (await apiDocument(ALL)) as {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  components: { securitySchemes: object };
};

let directory: string;
let ground: Awaited<ReturnType<typeof createEmbeddedGround>>;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "perigee-document-"));
  ground = await createEmbeddedGround({
    data: directory,
    log: pino({ level: "silent" }),
    dialects: ALL,
    reference: directory,
  });
});
afterAll(async () => {
  await ground.close();
  rmSync(directory, { recursive: true, force: true });
});

/** Not of the API: the agents' side, signed URLs, the pages' files. */
const OTHERS = /^\/($|\*|agent\/|staging\/|console|docs\/)/;

test("it has the routes that the app answers, and no other", () => {
  const answered = ground.app.routes
    .filter(({ method, path }) => method !== "ALL" && !OTHERS.test(path))
    .map(({ method, path }) => `${method} ${path.replace(/:(\w+)(?:\{[^}]*\})?/g, "{$1}")}`)
    // answered with and without the slash
    .filter((route) => route !== "POST /auth" && route !== "POST /auth/refresh/");
  const documented = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(documented.sort()).toEqual([...new Set(answered)].sort());
});

test("it is OpenAPI 3.1, with the bearer token and an id for every operation", () => {
  expect(document.openapi).toBe("3.1.0");
  expect(document.components.securitySchemes).toHaveProperty("bearer");
  const ids = Object.entries(document.paths).flatMap(([, methods]) =>
    Object.values(methods).map(({ operationId }) => operationId),
  );
  expect(ids).not.toContain(undefined);
  expect(new Set(ids).size).toBe(ids.length);
});

test("EM routes that change something are POST alone, and tell of every refusal", () => {
  const changing = Object.entries(document.paths).filter(
    ([path, methods]) => path.startsWith("/em/") && !("get" in methods) && path !== "/em/files/uplink",
  );
  expect(changing.map(([path]) => path)).toContain("/em/pod/run");
  for (const [, methods] of changing) {
    expect(Object.keys(methods)).toEqual(["post"]);
    expect(Object.keys(methods.post!.responses)).toEqual(
      expect.arrayContaining(["200", "202", "400", "401", "413", "423", "429", "500", "503"]),
    );
  }
  expect(document.paths["/em/files/uplink"]!.post!.responses).toHaveProperty("507");
  expect(document.paths["/em/files/downlink"]!.get!.responses).toHaveProperty("206");
  expect(JSON.stringify(document.paths["/em/pod/run"]!.post!.requestBody)).toContain("hello-space.txt");
});

test("the log-in is open to all", () => {
  for (const path of ["/auth/", "/auth/refresh"]) {
    const post = document.paths[path]!.post!;
    expect(post.security).toEqual([]);
    const throttled = path === "/auth/" ? ["429"] : [];
    expect(Object.keys(post.responses)).toEqual([
      "200",
      "400",
      "401",
      "413",
      "415",
      "417",
      ...throttled,
      "500",
    ]);
  }
});

test("whoever needs a token is told of a missing one, of too many requests and of our own faults", () => {
  const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));
  const closed = operations.filter(({ security }) => security?.length);
  expect(closed.length).toBeGreaterThan(25);
  for (const { operationId, responses, tags } of closed) {
    const statuses = Object.keys(responses);
    expect(statuses, operationId).toEqual(expect.arrayContaining(["401", "500"]));
    // Kabuto's says it in a body of 200, Poseidon's with a 500
    const others = tags?.some((tag) => ["Kabuto", "Poseidon"].includes(tag));
    expect(statuses.includes("429"), operationId).toBe(!others);
  }
});

test("a link leads to an operation that there is, with what that takes", () => {
  const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));
  const byId = new Map(operations.map((operation) => [operation.operationId, operation]));
  const links = operations
    .flatMap(({ responses }) => Object.values(responses) as { links?: Record<string, Link> }[])
    .flatMap((response) => Object.values(response.links ?? {}));
  expect(links.length).toBeGreaterThan(20);
  for (const { operationId, parameters = {} } of links) {
    const names = byId.get(operationId)?.parameters?.map(({ name }) => name) ?? [];
    expect(names).toEqual(expect.arrayContaining(Object.keys(parameters)));
    expect(byId.has(operationId)).toBe(true);
  }
});
