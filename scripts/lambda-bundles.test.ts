import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { builtinModules } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Bundles, bundleLambdas, LAMBDAS, type LambdaName } from "./lambda-bundles.ts";

const MiB = 1024 * 1024;
let outdir: string;
let bundles: Bundles<LambdaName>;
beforeAll(async () => {
  outdir = mkdtempSync(join(tmpdir(), "perigee-bundles-"));
  bundles = await bundleLambdas(outdir);
});
afterAll(() => rmSync(outdir, { recursive: true, force: true }));

const packagesOf = (name: LambdaName) =>
  new Set(
    Object.keys(bundles.inputs[name]).flatMap(
      (file) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? [],
    ),
  );

describe.each(Object.keys(LAMBDAS) as LambdaName[])("the bundle of %s", (name) => {
  test("is under 1 MiB, with a source map beside it", () => {
    expect(statSync(join(bundles.folders[name], "index.mjs")).size).toBeLessThan(MiB);
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
      "@aws-sdk/credential-provider-node",
      "@aws-sdk/lib-storage",
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

  test("imports nothing but Node's own modules", () => {
    const text = readFileSync(join(bundles.folders[name], "index.mjs"), "utf8");
    const imported = [...text.matchAll(/(?:^|[;}])import\s*(?:[\w${},*\s]+?from\s*)?"([^"]+)"/g)].map(
      ([, m]) => m!,
    );
    expect(imported.length).toBeGreaterThan(5);
    for (const module of imported) expect(builtinModules).toContain(module.replace(/^node:/, ""));
  });
});

test("the stand-in for the native hash is in the bundle", () => {
  expect(Object.keys(bundles.inputs.api)).toContain("lambdas/adapters/xxh64-wasm.ts");
});
