import { type ChildProcess, spawn } from "node:child_process";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

/**
 * `npm test`: with arguments vitest with just these, in this process. Without, all projects beside each other, each
 * line behind its name: the files of the EM's contract go one after the other, because its one deployment does one
 * command at a time, and leave the processors to the others.
 */
const VITEST = join(resolve(import.meta.dirname, ".."), "node_modules/vitest/vitest.mjs");
/** One process of vitest each, and one deployment for each of the contracts' two. */
const PROJECTS = { parts: "parts*", contract: "contract", dialects: "contract-*" };

const given = process.argv.slice(2);
if (given.length > 0) {
  process.argv.splice(1, Number.POSITIVE_INFINITY, VITEST, "run", ...given);
  await import(VITEST);
} else {
  const running = Object.entries(PROJECTS).map(start);
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      for (const child of running) child.kill(signal);
    });
  }
  const codes = await Promise.all(running.map(ended));
  process.exitCode = codes.find((code) => code !== 0) ?? 0;
}

function start([name, project]: [string, string]): ChildProcess {
  const args = [...process.execArgv, VITEST, "run", "--project", project];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on("line", (line) =>
      console.log(`${name} | ${line}`),
    );
  }
  return child;
}

function ended(child: ChildProcess): Promise<number> {
  return new Promise((done) => child.once("close", (code) => done(code ?? 1)));
}
