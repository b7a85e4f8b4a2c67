#!/usr/bin/env node
// Starts the CLI on any Node from 18: older ones hand over to the Node 24 that comes with the dependencies.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
// In a clone the sources are newer than any bundle; where only bundles were installed there are none.
const sources = join(root, "cli", "perigee.ts");
const entry = existsSync(sources) ? sources : join(root, "dist", "perigee.mjs");

if (Number(process.versions.node.split(".")[0]) >= 24) {
  const emitWarning = process.emitWarning;
  process.emitWarning = (warning, ...rest) => {
    const type = typeof rest[0] === "object" && rest[0] ? rest[0].type : rest[0];
    if (type !== "ExperimentalWarning" && warning?.name !== "ExperimentalWarning") {
      emitWarning.call(process, warning, ...rest);
    }
  };
  process.argv[1] = entry;
  await import(pathToFileURL(entry).href);
} else {
  handOver();
}

function handOver() {
  let node;
  try {
    node = join(dirname(createRequire(import.meta.url).resolve("node/package.json")), "bin", "node");
  } catch {
    process.stderr.write("perigee needs Node 24, or its own dependencies: run `npm ci` in its directory\n");
    process.exit(1);
  }
  const args = ["--disable-warning=ExperimentalWarning", entry, ...process.argv.slice(2)];
  if (typeof process.execve === "function" && process.platform !== "win32") {
    process.execve(node, [node, ...args], process.env);
  }
  const child = spawn(node, args, { stdio: "inherit" });
  // A terminal sends Ctrl-C to the whole group: forwarding it too would make it two.
  process.on("SIGINT", () => process.stdin.isTTY || child.kill("SIGINT"));
  for (const signal of ["SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"]) {
    process.on(signal, () => child.kill(signal));
  }
  child.on("error", (error) => {
    process.stderr.write(`perigee: cannot start ${node}: ${error.message}\n`);
    process.exit(1);
  });
  child.on("exit", (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
}
