import { execFile, spawn } from "node:child_process";
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { programWords } from "./program-words.ts";

const SHELLS = [["sh"], ["bash"], ["bash", "--posix"]];

/** What the control of a program is told when `shell` is the container's. */
async function told(shell: string[], env: Record<string, string>): Promise<string[]> {
  const directory = await mkdtemp(join(tmpdir(), "perigee-helpers-"));
  const path = join(directory, "stdout");
  const stdout = await open(path, "w");
  const control = spawn("sleep", ["60"], { stdio: ["ignore", stdout.fd, "ignore"] });
  try {
    const spec = { argv: ["true"], as: "own", env: {} } as const;
    const words = programWords(spec, { control: control.pid!, unset: [] });
    const [program = "", ...args] = words.flatMap((word) => (word === "/bin/sh" ? shell : [word]));
    await promisify(execFile)(program, args, { env: { ...process.env, ...env } });
    return (await readFile(path, "utf8")).trim().split("\n");
  } finally {
    control.kill("SIGKILL");
    await stdout.close();
    await rm(directory, { recursive: true });
  }
}

test.for(SHELLS)("a program starts and ends under %j, whatever the image sets", async (shell) => {
  const ofImages: Record<string, string>[] = [{}, { BASH_VERSION: "5.2" }];
  for (const env of ofImages) {
    const lines = await told(shell, env);
    expect(lines.filter((line) => /^(run|exit|fail) /.test(line))).toEqual([
      expect.stringMatching(/^run \d+$/),
      "exit 0",
    ]);
  }
});
