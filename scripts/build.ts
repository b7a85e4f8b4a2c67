import { cpSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { build, type Metafile, type Plugin } from "esbuild";
import { bundlePages } from "./page-bundles.ts";

const ROOT = resolve(import.meta.dirname, "..");

export const PROGRAMS = {
  perigee: "cli/perigee.ts",
  agent: "agent/entries/agent.ts",
  server: "lambdas/entries/server.ts",
};

/** Files that are started by name at run time, so they stay files of their own. */
const WORKERS = {
  "tree-worker": "agent/volumes/listing/tree-worker.ts",
  "load-worker": "agent/fpga/loads/load-worker.ts",
  "fpga-loader": "agent/fpga/loader/loader.ts",
};

/** Sources that images for virtual machines are made from, and know their version by: beside the programs. */
const GUEST = "agent/pods/qemu/guest";

/** Native modules, and who loads them: they stay where they are also when all else goes inside. */
const NATIVE = ["@node-rs/xxhash", "ssh2", "cpu-features"];
/** Libraries in a bundle still say `require`. */
const REQUIRE =
  'import{createRequire as perigeeRequire}from"node:module";const require=perigeeRequire(import.meta.url);';

/**
 * Bundles our own code into `outdir` (emptied first): perigee.mjs, agent.mjs, server.mjs, the workers and the pages.
 * Packages stay outside: native modules and files that libraries read at run time cannot be bundled; so
 * what is deployed is `dist/`, package.json, package-lock.json and `npm ci --omit=dev`. With `packages: "inside"`, for
 * programs that are started often in this tree, only native modules stay outside.
 * @returns what each output of our programs and workers imports
 */
export async function bundle(
  outdir: string,
  { packages = "outside" }: { packages?: "inside" | "outside" } = {},
): Promise<Metafile["outputs"]> {
  rmSync(outdir, { recursive: true, force: true });
  mkdirSync(outdir, { recursive: true });
  const common = {
    absWorkingDir: ROOT,
    outdir,
    bundle: true,
    platform: "node",
    target: "node24",
    format: "esm",
    ...(packages === "outside"
      ? ({ packages: "external" } as const)
      : { external: NATIVE, banner: { js: REQUIRE } }),
    sourcemap: true,
    legalComments: "none",
    logLevel: "warning",
    metafile: true,
  } as const;
  const outExtension = { ".js": ".mjs" };
  const plugins = packages === "inside" ? [await documentMade()] : [];
  const programs = await build({ ...common, entryPoints: PROGRAMS, splitting: true, outExtension, plugins });
  const workers = await build({ ...common, entryPoints: WORKERS });
  await bundlePages(outdir);
  cpSync(join(ROOT, GUEST), join(outdir, "guest"), { recursive: true });
  writeFileSync(join(outdir, "package.json"), '{ "type": "module" }\n');
  return { ...programs.metafile.outputs, ...workers.metafile.outputs };
}

/** The document is made here: cut into files, its library no longer extends zod before the shapes are made. */
async function documentMade(): Promise<Plugin> {
  const [{ readyDocument }, { DIALECTS, NAMED_DIALECTS }] = await Promise.all([
    import("./lambda-bundles.ts"),
    import("#lambdas/dialects/index.ts"),
  ]);
  return readyDocument([...DIALECTS, ...NAMED_DIALECTS]);
}

if (import.meta.main) {
  const outdir = join(ROOT, "dist");
  await bundle(outdir);
  const workers = Object.keys(WORKERS).map((name) => `${name}.js`);
  for (const name of [...Object.keys(PROGRAMS).map((name) => `${name}.mjs`), ...workers]) {
    console.log(`dist/${name}  ${Math.round(statSync(join(outdir, name)).size / 1024)} KiB`);
  }
}
