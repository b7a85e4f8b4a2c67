import { type ChildProcess, spawn } from "node:child_process";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

/**
 * `npm test`: with arguments vitest with just these, in this process. Without, both projects beside each other, each
 * line behind its project's name: the contract's files go one after the other, because its one deployment does one
 * command at a time, and leave a core to the others.
 */
const VITEST = join(resolve(import.meta.dirname, ".."), "node_modules/vitest/vitest.mjs");
/** All suites of contracts ask one deployment. */
const PROJECTS = ["parts*", "contract*"];

const given = process.argv.slice(2);
if (given.length > 0) {
  process.argv.splice(1, Number.POSITIVE_INFINITY, VITEST, "run", ...given);
  await import(VITEST);
} else {
  const running = PROJECTS.map(start);
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      for (const child of running) child.kill(signal);
    });
  }
  const codes = await Promise.all(running.map(ended));
  process.exitCode = codes.find((code) => code !== 0) ?? 0;
}

function start(project: string): ChildProcess {
  const args = [...process.execArgv, VITEST, "run", "--project", project];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on("line", (line) =>
      console.log(`${project.replace("*", "")} | ${line}`),
    );
  }
  return child;
}

function ended(child: ChildProcess): Promise<number> {
  return new Promise((done) => child.once("close", (code) => done(code ?? 1)));
}
