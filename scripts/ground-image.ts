import { copyFileSync, mkdirSync, rmSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { build, type Metafile } from "esbuild";
import { DIALECTS, NAMED_DIALECTS } from "#lambdas/dialects/index.ts";
import { REQUIRE, readyDocument, WASM_XXHASH } from "./lambda-bundles.ts";
import { bundlePages } from "./page-bundles.ts";

const ROOT = resolve(import.meta.dirname, "..");

/**
 * Makes what the ground's image is built from in `outdir` (emptied first): the Dockerfile, and the server with all
 * its packages in one bundle, and the pages. `docker build DIRECTORY` makes the image.
 */
export async function groundImage(outdir: string): Promise<string> {
  rmSync(outdir, { recursive: true, force: true });
  mkdirSync(join(outdir, "data"), { recursive: true });
  await bundleServer(join(outdir, "app"));
  await bundlePages(join(outdir, "app"));
  copyFileSync(join(ROOT, "infra/ground.Dockerfile"), join(outdir, "Dockerfile"));
  return outdir;
}

/** Bundles the server into `outdir`; returns what went into it. */
export async function bundleServer(outdir: string): Promise<Metafile["inputs"]> {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: { server: "lambdas/entries/server.ts" },
    outdir,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    splitting: true,
    sourcemap: true,
    sourcesContent: false,
    platform: "node",
    target: "node24",
    format: "esm",
    mainFields: ["module", "main"],
    banner: { js: REQUIRE },
    alias: WASM_XXHASH,
    plugins: [readyDocument([...DIALECTS, ...NAMED_DIALECTS])],
    // ws does without them
    external: ["bufferutil", "utf-8-validate"],
    legalComments: "none",
    logLevel: "warning",
    metafile: true,
  });
  return metafile.inputs;
}

if (import.meta.main) {
  const [directory] = process.argv.slice(2);
  if (!directory) throw new Error("usage: node scripts/ground-image.ts DIRECTORY");
  await groundImage(resolve(directory));
  const { size } = statSync(join(directory, "app/server.mjs"));
  console.log(`${directory}  server.mjs ${Math.round(size / 1024)} KiB; docker build ${directory}`);
}
