import { readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { build } from "esbuild";
import { writeAssets } from "./asset-folder.ts";

const ROOT = resolve(import.meta.dirname, "..");
const PAGE = join(ROOT, "console/index.html");
/** Where in the page the names of what it loads stand. */
const PLACES: Record<string, string> = { ahead: "AHEAD", style: "STYLE", app: "SCRIPT" };

/**
 * Bundles the console into `outdir` (emptied first): a page, and beside it script and style whose names change with their
 * content, so that browsers may keep them for ever.
 */
export async function bundleConsole(outdir: string): Promise<void> {
  const settings = {
    absWorkingDir: ROOT,
    outdir,
    entryNames: "[name]-[hash]",
    bundle: true,
    write: false,
    minify: true,
    platform: "browser",
    target: "es2022",
    legalComments: "none",
    logLevel: "warning",
  } as const;
  // no module: it runs as soon as it is here, before the page is read to its end
  const ahead = await build({ ...settings, entryPoints: { ahead: "console/ask-ahead.ts" }, format: "iife" });
  const { outputFiles, metafile } = await build({
    ...settings,
    entryPoints: { app: "console/main.tsx", style: "console/style/main.css" },
    // what is loaded later: the screens beside the overview, and the terminal when it is opened
    splitting: true,
    chunkNames: "[name]-[hash]",
    metafile: true,
    format: "esm",
    jsx: "automatic",
    jsxImportSource: "preact",
  });
  const files = [...ahead.outputFiles, ...outputFiles];
  const page = files.reduce(
    (html, { path }) => {
      const name = basename(path);
      const place = PLACES[name.split("-")[0]!];
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
    ...files.map(({ path, contents }): [string, Uint8Array] => [basename(path), contents]),
    ["icon.svg", icon],
    ["index.html", Buffer.from(page.replace("PRELOADS", preloads.join("\n")))],
  ]);
}
