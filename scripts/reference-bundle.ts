import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join, resolve } from "node:path";
import { build } from "esbuild";
import { hashedName, writeAssets } from "./asset-folder.ts";

const ROOT = resolve(import.meta.dirname, "..");
const LIBRARY = dirname(createRequire(import.meta.url).resolve("swagger-ui-dist/package.json"));

/**
 * Makes the page that shows the API's document in `outdir` (emptied first): Swagger UI as it is released, and beside it
 * the script that starts it.
 */
export async function bundleReference(outdir: string): Promise<void> {
  const { outputFiles } = await build({
    absWorkingDir: ROOT,
    entryPoints: { reference: "console/reference/main.ts", style: "console/reference/style.css" },
    outdir,
    entryNames: "[name]-[hash]",
    bundle: true,
    write: false,
    minify: true,
    platform: "browser",
    target: "es2022",
    format: "iife",
    legalComments: "none",
    logLevel: "warning",
  });
  const made = (ending: string) => outputFiles.find(({ path }) => path.endsWith(ending))!;
  const script = made(".js");
  const read = (name: string) => readFileSync(join(LIBRARY, name));
  const library = read("swagger-ui-bundle.js");
  const style = Buffer.concat([withoutSourceMap(read("swagger-ui.css")), made(".css").contents]);
  const names = {
    SCRIPT: basename(script.path),
    "LIBRARY-STYLE": hashedName("swagger-ui.css", style),
    LIBRARY: hashedName("swagger-ui.js", library),
  };
  const page = Object.entries(names).reduce(
    (html, [place, name]) => html.replace(`"${place}"`, `"/docs/${name}"`),
    readFileSync(join(ROOT, "console/reference/index.html"), "utf8"),
  );
  // those who get the library get its licences too
  const licences = ["NOTICE", "LICENSE", "swagger-ui-bundle.js.LICENSE.txt"].map(read);
  writeAssets(outdir, [
    [names.SCRIPT, script.contents],
    [names.LIBRARY, library],
    [names["LIBRARY-STYLE"], style],
    ["swagger-ui-bundle.js.LICENSE.txt", Buffer.concat(licences)],
    ["icon.svg", readFileSync(join(ROOT, "console/icon.svg"))],
    ["index.html", Buffer.from(page)],
  ]);
}

/** The map is not served. */
function withoutSourceMap(css: Buffer): Buffer {
  return Buffer.from(css.toString("utf8").replace(/\n?\/\*# sourceMappingURL=[^*]*\*\/\s*$/, "\n"));
}
