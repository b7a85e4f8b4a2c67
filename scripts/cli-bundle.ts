import { createHash, randomBytes } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { basename, join, relative, resolve } from "node:path";
import { build, type Plugin } from "esbuild";
import {
  BUNDLE_ENTRY,
  BUNDLE_INPUTS,
  type BundleManifest,
  CLI_CACHE,
  currentBundle,
  MANIFEST,
} from "../bin/cli-bundle.mjs";

const ROOT = resolve(import.meta.dirname, "..");
/** What decides about the result beside the files that esbuild reads. */
const SETTINGS = ["package.json", "scripts/cli-bundle.ts", "bin/cli-bundle.mjs"];
/** A process that was started from an earlier bundle may still load a part of it. */
const UNUSED_MS = 24 * 3600_000;

/**
 * Bundles the command, so that it starts as one file of plain JavaScript instead of a hundred whose types are
 * stripped first. What the operator's verbs load of ground and agent stays outside, as sources. A bundle lies in
 * a folder of its own, beside a copy of all that it was made from; the manifest, which names the current one, is
 * replaced last, so that several may do this at once.
 * @returns the bundle's entry
 * @throws Error when it cannot be built or written
 */
export async function bundleCli(root = ROOT): Promise<string> {
  const cache = join(root, CLI_CACHE);
  const read = new Map<string, Uint8Array>(SETTINGS.map((path) => [path, readFileSync(join(root, path))]));
  // Any folder of this depth: what stays outside is imported relative to it
  const outdir = join(cache, "key");
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: { [basename(BUNDLE_ENTRY, ".mjs")]: "cli/perigee.ts" },
    outdir,
    outExtension: { ".js": ".mjs" },
    write: false,
    bundle: true,
    splitting: true,
    minifyWhitespace: true,
    minifySyntax: true,
    platform: "node",
    target: "node24",
    format: "esm",
    legalComments: "none",
    // CommonJS, which asks for modules of Node by require; it lies beside the cache
    external: ["ws"],
    logLevel: "silent",
    plugins: [outside(root, outdir), BUILT_IN, remembering(root, read)],
  });
  const sorted = [...read].sort(([a], [b]) => (a < b ? -1 : 1));
  const contents = Buffer.concat(sorted.map(([, content]) => content));
  const inputs = sorted.map(([path, { length }]) => ({ path, size: length }));
  const key = createHash("sha256").update(JSON.stringify(inputs)).update(contents).digest("hex").slice(0, 32);
  const folder = join(cache, key);
  const part = join(cache, `${key}.${randomBytes(6).toString("hex")}`);
  mkdirSync(folder, { recursive: true });
  try {
    const write = (path: string, bytes: string | Uint8Array) => {
      writeFileSync(part, bytes, { flush: true });
      renameSync(part, path);
    };
    for (const output of outputFiles) write(join(folder, relative(outdir, output.path)), output.contents);
    write(join(folder, BUNDLE_INPUTS), contents);
    supersede(cache, key);
    write(join(cache, MANIFEST), JSON.stringify({ key, inputs } satisfies BundleManifest));
  } finally {
    rmSync(part, { force: true });
  }
  return join(folder, BUNDLE_ENTRY);
}

/** Sources of ground and agent are imported as they are, and packages are found where they lie. */
function outside(root: string, outdir: string): Plugin {
  return {
    name: "outside",
    setup({ onResolve }) {
      onResolve({ filter: /^#(lambdas|agent)\// }, ({ path }) => ({
        path: relative(outdir, join(root, path.slice(1))),
        external: true,
      }));
      onResolve({ filter: /^[^.#/]/ }, ({ path, kind }) => {
        const inside = kind === "entry-point" || path === "commander" || path.startsWith("node:");
        return inside ? undefined : { external: true };
      });
    },
  };
}

/**
 * Node's own modules, of which only the names that are used are read: an ES import of `node:http` reads all of
 * them, and with that loads what is there on demand (WebSocket). That takes longer than all the rest of a start.
 */
const BUILT_IN: Plugin = {
  name: "built-in",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:/ }, ({ path, kind }) =>
      kind === "dynamic-import" ? { external: true } : { path, namespace: kind, sideEffects: false },
    );
    onLoad({ filter: /^node:/, namespace: "require-call" }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule("${path}")`,
    }));
    onLoad({ filter: /^node:/, namespace: "import-statement" }, ({ path }) => {
      const names = Object.keys(process.getBuiltinModule(path) as object).filter(
        (name) => name !== "default",
      );
      const pick = (name: string) => `export const ${name} = /* @__PURE__ */ pick("${name}");`;
      return {
        contents: `const all = /* @__PURE__ */ process.getBuiltinModule("${path}");
          const pick = (name) => all[name];
          export default all;
          ${names.map(pick).join("\n")}`,
      };
    });
  },
};

/** Gives esbuild each file from `read`, so that the key is of what was compiled and not of what came later. */
function remembering(root: string, read: Map<string, Uint8Array>): Plugin {
  return {
    name: "remembering",
    setup({ onLoad }) {
      onLoad({ filter: /\.(ts|mjs|js)$/ }, ({ path }) => {
        const contents = readFileSync(path);
        read.set(relative(root, path), contents);
        return { contents, loader: path.endsWith(".ts") ? "ts" : "js" };
      });
    },
  };
}

/** The clock of what was current until now begins to run; what nobody has used for long goes. */
function supersede(cache: string, key: string): void {
  const before = currentBundle(cache)?.key;
  const now = new Date();
  if (before && before !== key && existsSync(join(cache, before))) utimesSync(join(cache, before), now, now);
  for (const entry of readdirSync(cache)) {
    if (entry === key || entry === MANIFEST) continue;
    const path = join(cache, entry);
    const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY);
    if (age > UNUSED_MS) rmSync(path, { recursive: true, force: true });
  }
}
