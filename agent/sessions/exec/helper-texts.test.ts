import { execFile, spawn } from "node:child_process";
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import type { ExecSpec } from "../pod-sessions.ts";
import { programWords } from "./program-words.ts";

const SHELLS = [["sh"], ["bash"], ["bash", "--posix"]];

/** What the control of a program is told when `shell` is the container's. */
const told = (shell: string[], env: Record<string, string>) =>
  besideControl({ argv: ["true"], as: "own", env: {} }, async (words, stdout) => {
    const [program = "", ...args] = words.flatMap((word) => (word === "/bin/sh" ? shell : [word]));
    await promisify(execFile)(program, args, { env: { ...process.env, ...env } });
    return (await readFile(stdout, "utf8")).trim().split("\n");
  });

/** @param run called with the argv that starts the program, and the path of the file that is its control's stdout */
async function besideControl<T>(
  spec: ExecSpec,
  run: (words: string[], stdout: string) => Promise<T>,
): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "perigee-helpers-"));
  const path = join(directory, "stdout");
  const stdout = await open(path, "w");
  const control = spawn("sleep", ["60"], { stdio: ["ignore", stdout.fd, "ignore"] });
  try {
    return await run(programWords(spec, { control: control.pid!, unset: [] }), path);
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

test("a terminal has its size before the program looks at it", async () => {
  const spec = {
    argv: ["stty", "size"],
    as: "own",
    env: {},
    terminal: { stderr: "merged", size: { rows: 33, columns: 99 } },
  } as const;
  const shown = await besideControl(spec, async (words) => {
    const line = words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
    return (await promisify(execFile)("script", ["-qec", line, "/dev/null"])).stdout;
  });
  expect(shown).toBe("33 99\r\n");
});
