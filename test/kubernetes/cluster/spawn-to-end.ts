import { spawn } from "node:child_process";

const KEPT = 20_000;
const SHOWN_LINES = 20;

export type SpawnOptions = {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** given to it as standard input */
  input?: string;
  timeoutMs: number;
};

/**
 * Runs a program to its end and returns what it wrote to stdout (its last 20 kB).
 * @throws Error with the end of its output when it fails or takes too long
 */
export async function spawnToEnd(
  program: string,
  args: readonly string[],
  options: SpawnOptions,
): Promise<string> {
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: options.env,
    stdio: ["pipe", "pipe", "pipe"],
    timeout: options.timeoutMs,
  });
  let stdout = "";
  let both = "";
  child.stdout.on("data", (chunk: Buffer) => {
    stdout = (stdout + chunk).slice(-KEPT);
    both = (both + chunk).slice(-KEPT);
  });
  child.stderr.on("data", (chunk: Buffer) => {
    both = (both + chunk).slice(-KEPT);
  });
  // it may end without reading
  child.stdin.on("error", () => {});
  child.stdin.end(options.input ?? "");
  const end = await new Promise<number | string>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve(code ?? signal ?? "unknown"));
  });
  if (end === 0) return stdout;
  const tail = both.trimEnd().split("\n").slice(-SHOWN_LINES).join("\n");
  throw new Error(`${program} ${args.slice(0, 6).join(" ")} ended with ${end}:\n${tail}`);
}
