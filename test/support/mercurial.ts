import { execFile, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { ensureProgram } from "../../scripts/debian-packages.ts";

const run = promisify(execFile);
const ENVIRONMENT = { ...process.env, HGRCPATH: "", HGPLAIN: "1", HGUSER: "test", LC_ALL: "C.UTF-8" };

/** Mercurial's program, installed first where we may: Debian's package. */
export const ensureMercurial = (): Promise<string> => ensureProgram("hg", "mercurial", console.log);

export type Repository = Awaited<ReturnType<typeof makeRepository>>;

/** A repository that is served on loopback. */
export async function makeRepository() {
  const program = await ensureMercurial();
  const directory = await mkdtemp(join(tmpdir(), "perigee-hg-"));
  const hg = (...args: string[]) => run(program, args, { cwd: directory, env: ENVIRONMENT });
  await hg("init");
  const server = spawn(program, ["serve", "--port", "0", "--address", "127.0.0.1", "--print-url"], {
    cwd: directory,
    env: ENVIRONMENT,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const url = await new Promise<string>((resolve, reject) => {
    server.once("exit", (code) => reject(new Error(`hg serve ended with ${code}`)));
    server.stdout.once("data", (line: Buffer) => resolve(line.toString().trim()));
  });
  return {
    directory,
    url: url.replace("localhost", "127.0.0.1").replace(/\/$/, ""),
    hg,
    async commit(message = "a commit") {
      await hg("addremove", "--quiet");
      await hg("commit", "--message", message);
    },
    async stop() {
      const ended = new Promise((resolve) => server.once("exit", resolve));
      server.kill("SIGKILL");
      await ended;
      await rm(directory, { recursive: true, force: true });
    },
  };
}
