import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { apiDocument } from "#lambdas/docs/document.ts";
import { MiB } from "#protocol/limits.ts";
import { type Bundles, bundleLambdas, type LambdaName } from "./lambda-bundles.ts";

let directory: string;
let bundles: Bundles<LambdaName>;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "perigee-bundles-"));
  bundles = await bundleLambdas(directory);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const ENVIRONMENT = {
  PATH: process.env.PATH,
  PERIGEE_TABLE: "table",
  PERIGEE_BUCKET: "bucket",
  PERIGEE_QUEUE_PREFIX: "queue-",
  PERIGEE_TOKEN_SECRET: "secret",
  PERIGEE_STREAMING: "false",
  AWS_REGION: "us-east-1",
};

/** Runs the API Lambda in a process of its own, for one GET; its answer, and what it logged. */
async function get(path: string) {
  const script = `
    const { handler } = await import(${JSON.stringify(pathToFileURL(join(bundles.folders.api, "index.mjs")))});
    const http = { method: "GET", path: ${JSON.stringify(path)}, sourceIp: "192.0.2.1", protocol: "HTTP/1.1" };
    const event = { version: "2.0", rawPath: http.path, rawQueryString: "", headers: {}, isBase64Encoded: false,
      requestContext: { http, domainName: "localhost", requestId: "1" } };
    const answer = await handler(event, { getRemainingTimeInMillis: () => 30_000 });
    console.log(JSON.stringify(answer));`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], {
    env: ENVIRONMENT,
    timeout: 60_000,
    maxBuffer: 16 * MiB,
  });
  const lines = stdout.trimEnd().split("\n");
  return { answer: JSON.parse(lines.pop()!), log: lines.map((line) => JSON.parse(line)) };
}

/** The files that are read at the start: `index.mjs`, and what it imports at once. */
function readAtStart(folder: string): string[] {
  const files = [join(folder, "index.mjs")];
  for (const file of files) {
    const imports = readFileSync(file, "utf8").matchAll(/(?:from|import)"(\.\/[^"]+)"/g);
    for (const [, path] of imports) {
      const target = join(dirname(file), path!);
      if (!files.includes(target)) files.push(target);
    }
  }
  return files;
}

describe.each(["api", "janitor"] as const)("the %s Lambda", (name) => {
  test("is less than 1 MiB", () => {
    const folder = bundles.folders[name];
    const sources = readdirSync(folder).filter((file) => file.endsWith(".mjs"));
    const bytes = sources.reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);
    expect(bytes).toBeLessThan(MiB);
  });

  test("reads nothing at its start that only few requests need", () => {
    const texts = readAtStart(bundles.folders[name]).map((file) => readFileSync(file, "utf8"));
    const start = texts.join("\n");
    expect(texts.length).toBeLessThan(readdirSync(bundles.folders[name]).length / 2);
    // of /docs, /openapi.json and /metrics
    for (const word of ["<!doctype html>", "ULID of the command", "perigee_http_requests_total"]) {
      expect(start).not.toContain(word);
    }
    expect(start).not.toContain("worker_threads");
  });
});

test("the API Lambda's document is the one that the app makes", async () => {
  const { answer } = await get("/openapi.json");
  expect(answer.statusCode).toBe(200);
  expect(JSON.parse(answer.body)).toEqual(JSON.parse(JSON.stringify(apiDocument())));
});

test("an error is logged with its place in the sources, and told to nobody", async () => {
  // it has no credentials to read the edges with
  const { answer, log } = await get("/metrics");
  expect(answer.statusCode).toBe(500);
  expect(JSON.parse(answer.body)).toMatchObject({ error: "INTERNAL_ERROR" });
  expect(answer.body).not.toContain("AWS_ACCESS_KEY_ID");
  const entry = log.find(({ level }) => level === 50);
  expect(entry.err.stack).toMatch(/lambdas\/adapters\/lambda-credentials\.ts:\d+:\d+/);
});
