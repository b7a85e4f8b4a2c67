import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DIALECTS } from "../dialects/index.ts";
import { kabuto } from "../dialects/kabuto/dialect.ts";
import { createEmbeddedGround } from "../embedded.ts";

const BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const SCRIPT = "console.log('hello, orbit')";

let directory: string;
let ground: Awaited<ReturnType<typeof createEmbeddedGround>>;
let without: typeof ground;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "perigee-console-"));
  writeFileSync(join(directory, "index.html"), "<!doctype html>");
  writeFileSync(join(directory, "app-1A2B3C4D.js"), SCRIPT);
  writeFileSync(join(directory, "app-1A2B3C4D.js.gz"), gzipSync(SCRIPT));
  writeFileSync(join(directory, "notes.bin"), "none of the types that are served");
  const open = (data: string, folder?: string) =>
    createEmbeddedGround({
      data: join(directory, data),
      log: pino({ level: "silent" }),
      dialects: [...new Set([...DIALECTS, kabuto])],
      ...(folder && { console: folder, reference: folder }),
    });
  [ground, without] = await Promise.all([open("with", directory), open("without")]);
});
afterAll(async () => {
  await Promise.all([ground.close(), without.close()]);
  rmSync(directory, { recursive: true, force: true });
});

const get = (path: string, headers: Record<string, string> = {}, method = "GET") =>
  ground.app.request(path, { method, headers });

test.each(["GET", "HEAD"])("a browser that asks for / with %s is led to the console", async (method) => {
  const answer = await get("/", { accept: BROWSER }, method);
  expect([answer.status, answer.headers.get("location")]).toEqual([302, "/console"]);
});

test.each([
  ["GET", "*/*"],
  ["GET", "application/json"],
  ["GET", "text/htmlx"],
  ["GET", undefined],
  ["POST", BROWSER],
  ["DELETE", BROWSER],
])("%s / with Accept %s is answered as without a console", async (method, accept) => {
  const init = { method, headers: { ...(accept && { accept }) } };
  const [with_, plain] = await Promise.all([ground.app.request("/", init), without.app.request("/", init)]);
  expect([with_.status, Object.fromEntries(with_.headers), await with_.text()]).toEqual([
    plain.status,
    Object.fromEntries(plain.headers),
    await plain.text(),
  ]);
  expect(plain.status).not.toBe(302);
});

test.each(["/console", "/docs"])("the page at %s runs nothing that is not its origin's", async (path) => {
  const answer = await get(path);
  expect([answer.status, answer.headers.get("cache-control")]).toEqual([200, "no-cache"]);
  const policy = answer.headers.get("content-security-policy")!;
  expect(policy).toContain("default-src 'none'; script-src 'self'");
  expect(policy).toContain("connect-src 'self';");
  expect(policy).not.toMatch(/unsafe-inline|https?:|\*/);
  expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
  expect((await without.app.request(path)).status).toBe(404);
});

test("the console may open sockets to a relay at another host, and to nothing else there", async () => {
  const elsewhere = await createEmbeddedGround({
    data: join(directory, "relay"),
    log: pino({ level: "silent" }),
    console: directory,
    live: { url: "https://live.ground.example/base" },
  });
  const answer = await elsewhere.app.request("/console");
  await elsewhere.close();
  expect(answer.headers.get("content-security-policy")).toContain(
    "connect-src 'self' wss://live.ground.example;",
  );
});

test("a file is kept for ever, and comes compressed where that is taken", async () => {
  const plain = await get("/console/app-1A2B3C4D.js");
  expect(await plain.text()).toBe(SCRIPT);
  expect(plain.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
  const packed = await get("/console/app-1A2B3C4D.js", { "accept-encoding": "br, gzip" });
  expect(packed.headers.get("content-encoding")).toBe("gzip");
  expect(gunzipSync(Buffer.from(await packed.arrayBuffer())).toString()).toBe(SCRIPT);
});

test.each([
  "/console/index.html",
  "/console/notes.bin",
  "/console/app-1A2B3C4D.js.gz",
  "/console/..%2fwith%2fledger.sqlite",
  "/console/%2e%2e/with/ledger.sqlite",
  "/docs/nothing.js",
])("there is no file at %s", async (path) => {
  expect((await get(path)).status).toBe(404);
});
