import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { builtinModules } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DIALECTS } from "#lambdas/dialects/index.ts";
import { apiDocument } from "#lambdas/docs/document.ts";
import { MiB } from "#protocol/limits.ts";
import {
  type Bundles,
  bundleLambdas,
  LAMBDAS,
  type LambdaName,
  NAMED_LAMBDAS,
  type NamedLambdaName,
} from "./lambda-bundles.ts";

let directory: string;
let bundles: Bundles<LambdaName>;
let named: Bundles<NamedLambdaName>;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "perigee-bundles-"));
  bundles = await bundleLambdas(join(directory, "all"), LAMBDAS);
  named = await bundleLambdas(join(directory, "named"), NAMED_LAMBDAS, { named: true });
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
    timeout: 180_000,
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

const packagesOf = (name: LambdaName) =>
  new Set(
    Object.keys(bundles.inputs[name]).flatMap(
      (file) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? [],
    ),
  );

describe.each(Object.keys(LAMBDAS) as LambdaName[])("the bundle of %s", (name) => {
  const filesOf = (ending: string) =>
    readdirSync(bundles.folders[name])
      .filter((file) => file.endsWith(ending))
      .map((file) => join(bundles.folders[name], file));

  test("is under 1 MiB, with source maps beside it", () => {
    const bytes = filesOf(".mjs").reduce((sum, file) => sum + statSync(file).size, 0);
    expect(bytes).toBeLessThan(MiB);
    expect(filesOf(".map")).toEqual(filesOf(".mjs").map((file) => `${file}.map`));
    const { sources } = JSON.parse(readFileSync(join(bundles.folders[name], "index.mjs.map"), "utf8"));
    expect(sources).toContainEqual(expect.stringMatching(/lambdas\/ground\.ts$/));
  });

  test("has nothing native, of the edge, of the embedded ground or of other clouds in it", () => {
    const packages = packagesOf(name);
    for (const unneeded of [
      "@node-rs/xxhash",
      "@kubernetes/client-node",
      "dockerode",
      "tar-stream",
      "commander",
      "@hono/node-server",
      "@hono/zod-openapi",
      "thread-stream",
      "@aws-sdk/credential-provider-node",
      "@aws-sdk/lib-storage",
      // live sessions are the container's
      "ws",
    ]) {
      expect(packages).not.toContain(unneeded);
    }
    const own = Object.keys(bundles.inputs[name]).filter((file) => !file.includes("node_modules"));
    for (const file of own) {
      expect(file).toMatch(/^(?:lambdas|protocol)\//);
      expect(file).not.toMatch(/sqlite|directory-staging|memory-doorbell/);
    }
    const clients = [...packages].filter((one) => /^@aws-sdk\/client-/.test(one)).sort();
    expect(clients).toEqual([
      "@aws-sdk/client-dynamodb",
      "@aws-sdk/client-s3",
      "@aws-sdk/client-secrets-manager",
      "@aws-sdk/client-sqs",
    ]);
  });

  test("imports nothing but its own files and Node's own modules", () => {
    const own = filesOf(".mjs").map((file) => `./${basename(file)}`);
    const imported = filesOf(".mjs").flatMap((file) => {
      const statements = readFileSync(file, "utf8").matchAll(
        /(?:^|[;}])import\s*(?:[\w${},*\s]+?from\s*)?"([^"]+)"/g,
      );
      return [...statements].map(([, module]) => module!);
    });
    expect(imported.length).toBeGreaterThan(5);
    for (const module of imported) {
      if (!own.includes(module)) expect(builtinModules).toContain(module.replace(/^node:/, ""));
    }
  });

  test("reads nothing at its start that only few requests need", () => {
    const texts = readAtStart(bundles.folders[name]).map((file) => readFileSync(file, "utf8"));
    const start = texts.join("\n");
    expect(texts.length).toBeLessThan(filesOf(".mjs").length);
    // of /openapi.json and /metrics; of staging and the keys of tokens
    const words = ["ULID of the command", "perigee_http_requests_total"];
    for (const word of [...words, "ListObjectsV2", "SecretBinary"]) {
      expect(start).not.toContain(word);
    }
    expect(start).not.toContain("worker_threads");
  });
});

test.each(Object.keys(NAMED_LAMBDAS) as NamedLambdaName[])(
  "with the dialects that are named, which it has there alone, the bundle of %s grows by 10 percent at most",
  (name) => {
    const folder = named.folders[name];
    const files = readdirSync(folder).filter((file) => file.endsWith(".mjs"));
    expect(files.reduce((sum, file) => sum + statSync(join(folder, file)).size, 0)).toBeLessThan(1.1 * MiB);
    const has = (all: object) => Object.keys(all).some((file) => /dialects\/fpga\/routes/.test(file));
    expect([has(named.inputs[name]), has(bundles.inputs.api)]).toEqual([true, false]);
    // what only a server has
    expect(Object.keys(named.inputs[name]).filter((file) => /object-store/.test(file))).toEqual([]);
  },
);

test("the pages are files beside the API's bundle, of which nothing is in it", () => {
  const pages = (name: LambdaName) =>
    ["console", "reference"].map((page) => existsSync(join(bundles.folders[name], page, "index.html")));
  expect([pages("api"), pages("janitor")]).toEqual([
    [true, true],
    [false, false],
  ]);
  expect([...packagesOf("api")]).not.toContain("swagger-ui-dist");
});

test("the stand-ins are in the bundle", () => {
  for (const file of ["lambdas/adapters/xxh64-wasm.ts", "lambdas/adapters/lambda/log.ts"]) {
    expect(Object.keys(bundles.inputs.api)).toContain(file);
  }
});

test("the API Lambda's document is the one that the app makes", async () => {
  const { answer } = await get("/openapi.json");
  expect(answer.statusCode).toBe(200);
  expect(JSON.parse(answer.body)).toEqual(JSON.parse(JSON.stringify(await apiDocument(DIALECTS))));
});

test("an error is logged with its place in the sources, and told to nobody", async () => {
  // it has no credentials to read the edges with
  const { answer, log } = await get("/metrics");
  expect(answer.statusCode).toBe(500);
  expect(JSON.parse(answer.body)).toMatchObject({ error: "INTERNAL_ERROR" });
  expect(answer.body).not.toContain("AWS_ACCESS_KEY_ID");
  const entry = log.find(({ level }) => level === 50);
  expect(entry.err.stack).toMatch(/lambdas\/adapters\/lambda\/credentials\.ts:\d+:\d+/);
});
