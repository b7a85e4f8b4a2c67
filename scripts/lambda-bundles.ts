import { mkdirSync, rmSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { build, type Metafile, type Plugin } from "esbuild";

const ROOT = resolve(import.meta.dirname, "..");

/** The Lambdas, each a folder with `index.mjs` and its source map. */
export const LAMBDAS = { api: "lambdas/entries/api.ts", janitor: "lambdas/entries/janitor.ts" } as const;
export type LambdaName = keyof typeof LAMBDAS;

/** What stands in for a native module, where only JavaScript goes, and for what Lambda has no use of. */
const STAND_INS = {
  "@node-rs/xxhash": join(ROOT, "lambdas/adapters/xxh64-wasm.ts"),
  "@aws-sdk/credential-provider-node": join(ROOT, "lambdas/adapters/lambda-credentials.ts"),
};

/** Some libraries still say `require` of Node's own modules. */
const REQUIRE =
  'import{createRequire as perigeeRequire}from"node:module";const require=perigeeRequire(import.meta.url);';

/** Zod brings its messages in fifty languages, of which the ground says them in one. */
const ONE_LANGUAGE: Plugin = {
  name: "one-language",
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, ({ path }) => ({
      contents: 'export { default as en } from "./en.js";',
      resolveDir: dirname(path),
    }));
  },
};

/** The folder of each Lambda, and what went into its bundle. */
export type Bundles<N extends string> = {
  folders: Record<N, string>;
  inputs: Record<N, Metafile["inputs"]>;
};

/**
 * Bundles the Lambdas into folders of `outdir` (emptied first) and returns those. Everything is inside, the
 * AWS clients too: what runs is what was tested, and one file starts faster than many.
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
      entryPoints: [entry],
      outfile: join(folder, "index.mjs"),
      bundle: true,
      minify: true,
      sourcemap: true,
      sourcesContent: false,
      platform: "node",
      target: "node22",
      format: "esm",
      mainFields: ["module", "main"],
      banner: { js: REQUIRE },
      alias: STAND_INS,
      plugins: [ONE_LANGUAGE],
      legalComments: "none",
      logLevel: "warning",
      metafile: true,
    });
    folders[name] = folder;
    inputs[name] = metafile.inputs;
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
