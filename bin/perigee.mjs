#!/usr/bin/env node
// Starts the CLI on any Node from 18: older ones hand over to the Node 24 that comes with the dependencies.
import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const launcher = fileURLToPath(import.meta.url);
const root = dirname(dirname(launcher));

if (Number(process.versions.node.split(".")[0]) >= 24) {
  const emitWarning = process.emitWarning;
  process.emitWarning = (warning, ...rest) => {
    const type = typeof rest[0] === "object" && rest[0] ? rest[0].type : rest[0];
    if (type !== "ExperimentalWarning" && warning?.name !== "ExperimentalWarning") {
      emitWarning.call(process, warning, ...rest);
    }
  };
  const entry = await chooseEntry();
  process.argv[1] = entry;
  await import(pathToFileURL(entry).href);
} else {
  const { handOver } = await import("./hand-over.mjs");
  handOver(launcher);
}

/** Where only bundles were installed, those; in a clone the bundle of its sources, made now when they changed. */
async function chooseEntry() {
  const sources = join(root, "cli", "perigee.ts");
  if (!existsSync(sources)) return join(root, "dist", "perigee.mjs");
  const { freshBundle } = await import("./cli-bundle.mjs");
  const mayWrite = isOurs(join(root, "node_modules"));
  const bundle = freshBundle(root) ?? (mayWrite ? await makeBundle() : undefined);
  // Compiled code is trusted as it is found: it lies where only the tree's owner writes
  if (bundle && mayWrite) {
    process.getBuiltinModule("node:module").enableCompileCache(join(dirname(bundle), "compiled"));
  }
  return bundle ?? sources;
}

async function makeBundle() {
  try {
    const { bundleCli } = await import("../scripts/cli-bundle.ts");
    return await bundleCli(root);
  } catch {
    // No esbuild (production dependencies only), a read-only or full disk: slower, but the same command
    return undefined;
  }
}

/** What another user would find of ours in its tree it could not remove: only the owner writes. */
function isOurs(directory) {
  try {
    return statSync(directory).uid === process.getuid?.();
  } catch {
    return false;
  }
}
