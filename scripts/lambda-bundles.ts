import { mkdirSync, rmSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { brotliCompressSync } from "node:zlib";
import { build, type Metafile, type Plugin } from "esbuild";
import type { Dialect } from "#lambdas/dialects/dialect.ts";
import { DIALECTS, ON_LAMBDAS } from "#lambdas/dialects/index.ts";
import { documentParts } from "#lambdas/docs/document-parts.ts";
import { bundlePages } from "./page-bundles.ts";

const ROOT = resolve(import.meta.dirname, "..");

/** The Lambdas, each a folder with `index.mjs`, what that loads later, and the source maps. */
export const LAMBDAS = { api: "lambdas/entries/api.ts", janitor: "lambdas/entries/janitor.ts" } as const;
export type LambdaName = keyof typeof LAMBDAS;
/** With dialects that are on only where they are named, which have a worker. */
export const NAMED_LAMBDAS = { ...LAMBDAS, worker: "lambdas/entries/worker.ts" } as const;
export type NamedLambdaName = keyof typeof NAMED_LAMBDAS;

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
export const readyDocument = (dialects: readonly Dialect[]): Plugin => ({
  name: "ready-document",
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]lambdas[\\/]docs[\\/]document-parts\.ts$/ }, async () => ({
      contents: `import { brotliDecompressSync } from "node:zlib";
        const packed = "${brotliCompressSync(JSON.stringify(await documentParts(dialects))).toString("base64")}";
        export const documentParts = async () => JSON.parse(brotliDecompressSync(Buffer.from(packed, "base64")));`,
    }));
    onLoad({ filter: /[\\/]lambdas[\\/]dialects[\\/]\w+[\\/]documentation\.ts$/ }, () => ({ contents: "" }));
  },
});

/**
 * What a Lambda never runs is not there at all: dialects' handlers for a server, what clones repositories or opens buckets
 * of others, a parser of browsers' names, and of the metrics' library what a process says of itself.
 */
const NEVER_RUN = [
  /[\\/]lambdas[\\/]dialects[\\/](?:\w+[\\/]on-server|server-dialects)\.ts$/,
  /[\\/]lambdas[\\/]adapters[\\/]mercurial[\\/]fetcher\.ts$/,
  /[\\/]lambdas[\\/]adapters[\\/]s3[\\/]foreign[\\/]bucket\.ts$/,
  /[\\/]node_modules[\\/](?:bowser|tdigest)[\\/]/,
  /[\\/]node_modules[\\/]prom-client[\\/]lib[\\/](?:cluster|defaultMetrics|pushgateway)\.js$/,
];
/** Nor the dialects that are on only where they are named, where none is. */
const NAMED = /[\\/]lambdas[\\/]dialects[\\/]named-dialects\.ts$/;

const without = (files: readonly RegExp[]): Plugin => ({
  name: "without",
  setup({ onLoad }) {
    for (const filter of files) onLoad({ filter }, () => ({ contents: "" }));
  },
});

/** The folder of each Lambda, and what went into its bundle. */
export type Bundles<N extends string> = {
  folders: Record<N, string>;
  inputs: Record<N, Metafile["inputs"]>;
};

/**
 * Bundles the Lambdas into folders of `outdir` (emptied first) and returns those. Everything is inside, the
 * AWS clients too: what runs is what was tested, and few files start faster than many.
 * @param options.named with the dialects that are on only where they are named
 */
export async function bundleLambdas<N extends string>(
  outdir: string,
  entries: Record<N, string>,
  { named = false }: { named?: boolean } = {},
): Promise<Bundles<N>> {
  rmSync(outdir, { recursive: true, force: true });
  const folders = {} as Record<N, string>;
  const inputs = {} as Record<N, Metafile["inputs"]>;
  const plugins = [
    readyDocument(named ? ON_LAMBDAS : DIALECTS),
    without(named ? NEVER_RUN : [...NEVER_RUN, NAMED]),
  ];
  for (const [name, entry] of Object.entries(entries) as [N, string][]) {
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
      plugins,
      legalComments: "none",
      logLevel: "warning",
      metafile: true,
    });
    folders[name] = folder;
    inputs[name] = metafile.inputs;
    // files beside the bundle, read when a browser asks
    if (name === "api") await bundlePages(folder);
  }
  return { folders, inputs };
}

if (import.meta.main) {
  const outdir = join(ROOT, "dist/lambda");
  const { folders } = await bundleLambdas(outdir, LAMBDAS);
  for (const name of Object.keys(LAMBDAS) as LambdaName[]) {
    console.log(
      `dist/lambda/${name}  ${Math.round(statSync(join(folders[name], "index.mjs")).size / 1024)} KiB`,
    );
  }
}
