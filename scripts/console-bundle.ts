import { readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { build } from "esbuild";
import { writeAssets } from "./asset-folder.ts";

const ROOT = resolve(import.meta.dirname, "..");
const PAGE = join(ROOT, "console/index.html");

/**
 * Bundles the console into `outdir` (emptied first): a page, and beside it script and style whose names change with their
 * content, so that browsers may keep them for ever.
 */
export async function bundleConsole(outdir: string): Promise<void> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: { app: "console/main.tsx", style: "console/style/main.css" },
    outdir,
    entryNames: "[name]-[hash]",
    // what is loaded later: the screens beside the overview, and the terminal when it is opened
    splitting: true,
    chunkNames: "[name]-[hash]",
    bundle: true,
    write: false,
    metafile: true,
    minify: true,
    platform: "browser",
    target: "es2022",
    format: "esm",
    jsx: "automatic",
    jsxImportSource: "preact",
    legalComments: "none",
    logLevel: "warning",
  });
  const page = outputFiles.reduce(
    (html, { path }) => {
      const name = basename(path);
      const place = name.startsWith("style-") ? "STYLE" : name.startsWith("app-") ? "SCRIPT" : undefined;
      return place ? html.replace(place, `/console/${name}`) : html;
    },
    readFileSync(PAGE, "utf8"),
  );
  // a script names the others that it needs only once it is here: so that they come together with it
  const app = Object.entries(metafile.outputs).find(([path]) => basename(path).startsWith("app-"));
  const needed = (app?.[1].imports ?? []).filter(({ kind }) => kind === "import-statement");
  const preloads = needed.map(({ path }) => `<link rel="modulepreload" href="/console/${basename(path)}">`);
  const icon = readFileSync(join(ROOT, "console/icon.svg"));
  writeAssets(outdir, [
    ...outputFiles.map(({ path, contents }): [string, Uint8Array] => [basename(path), contents]),
    ["icon.svg", icon],
    ["index.html", Buffer.from(page.replace("PRELOADS", preloads.join("\n")))],
  ]);
}
