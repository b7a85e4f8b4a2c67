import { mkdirSync, rmSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { build, type Metafile, type Plugin } from "esbuild";
import { DIALECTS } from "#lambdas/dialects/index.ts";
import { documentParts } from "#lambdas/docs/document-parts.ts";
import { bundleConsole } from "./console-bundle.ts";

const ROOT = resolve(import.meta.dirname, "..");

/** The Lambdas, each a folder with `index.mjs`, what that loads later, and the source maps. */
export const LAMBDAS = { api: "lambdas/entries/api.ts", janitor: "lambdas/entries/janitor.ts" } as const;
export type LambdaName = keyof typeof LAMBDAS;

/** What stands in for a native module, where only JavaScript goes. */
export const WASM_XXHASH = { "@node-rs/xxhash": join(ROOT, "lambdas/adapters/xxh64-wasm.ts") };

/** And for what Lambda has no use of. */
const STAND_INS = {
  ...WASM_XXHASH,
  "@aws-sdk/credential-provider-node": join(ROOT, "lambdas/adapters/lambda/credentials.ts"),
  // an alias goes for what is beneath the name too
  "pino/browser.js": join(ROOT, "node_modules/pino/browser.js"),
  pino: join(ROOT, "lambdas/adapters/lambda/log.ts"),
};

/** Some libraries still say `require` of Node's own modules. */
export const REQUIRE =
  'import{createRequire as perigeeRequire}from"node:module";const require=perigeeRequire(import.meta.url);';

/**
 * The parts of the API's document are the same in every process: made here, they cost those a file that is read when
 * asked for. Compressed, for they say the same of every route. Nobody makes them there, so no schemas are needed.
 */
export const READY_DOCUMENT: Plugin = {
  name: "ready-document",
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]lambdas[\\/]docs[\\/]document-parts\.ts$/ }, async () => ({
      contents: `import { gunzipSync } from "node:zlib";
        const packed = "${gzipSync(JSON.stringify(await documentParts(DIALECTS))).toString("base64")}";
        export const documentParts = async () => JSON.parse(gunzipSync(Buffer.from(packed, "base64")));`,
    }));
    onLoad({ filter: /[\\/]lambdas[\\/]dialects[\\/]\w+[\\/]documentation\.ts$/ }, () => ({ contents: "" }));
  },
};

/** What a Lambda never runs is not there at all: dialects' handlers for a server, and a parser of browsers' names. */
const NEVER_RUN: Plugin = {
  name: "never-run",
  setup({ onLoad }) {
    const filter = /[\\/]lambdas[\\/]dialects[\\/]\w+[\\/]on-server\.ts$|[\\/]node_modules[\\/]bowser[\\/]/;
    onLoad({ filter }, () => ({ contents: "" }));
  },
};

/** The folder of each Lambda, and what went into its bundle. */
export type Bundles<N extends string> = {
  folders: Record<N, string>;
  inputs: Record<N, Metafile["inputs"]>;
};

/**
 * Bundles the Lambdas into folders of `outdir` (emptied first) and returns those. Everything is inside, the
 * AWS clients too: what runs is what was tested, and few files start faster than many.
 */
export async function bundleLambdas(outdir: string): Promise<Bundles<LambdaName>>;
export async function bundleLambdas<N extends string>(
  outdir: string,
  entries: Record<N, string>,
): Promise<Bundles<N>>;
export async function bundleLambdas(
  outdir: string,
  entries: Record<string, string> = LAMBDAS,
): Promise<Bundles<string>> {
  rmSync(outdir, { recursive: true, force: true });
  const folders: Record<string, string> = {};
  const inputs: Record<string, Metafile["inputs"]> = {};
  for (const [name, entry] of Object.entries(entries)) {
    const folder = join(outdir, name);
    mkdirSync(folder, { recursive: true });
    const { metafile } = await build({
      absWorkingDir: ROOT,
      entryPoints: { index: entry },
      outdir: folder,
      outExtension: { ".js": ".mjs" },
      bundle: true,
      // what is imported when it is needed is not read at the start
      splitting: true,
      minify: true,
      sourcemap: true,
      sourcesContent: false,
      platform: "node",
      target: "node22",
      format: "esm",
      mainFields: ["module", "main"],
      banner: { js: REQUIRE },
      alias: STAND_INS,
      // a Lambda leaves no request's HTTP: it never opens a WebSocket
      external: ["ws"],
      plugins: [READY_DOCUMENT, NEVER_RUN],
      legalComments: "none",
      logLevel: "warning",
      metafile: true,
    });
    folders[name] = folder;
    inputs[name] = metafile.inputs;
    // files beside the bundle, read when a browser asks
    if (name === "api") await bundleConsole(join(folder, "console"));
  }
  return { folders, inputs };
}

if (import.meta.main) {
  const outdir = join(ROOT, "dist/lambda");
  const { folders } = await bundleLambdas(outdir);
  for (const name of Object.keys(LAMBDAS) as LambdaName[]) {
    console.log(
      `dist/lambda/${name}  ${Math.round(statSync(join(folders[name], "index.mjs")).size / 1024)} KiB`,
    );
  }
}
