import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";

const ROOT = resolve(import.meta.dirname, "../..");
const CDK = join(dirname(createRequire(import.meta.url).resolve("aws-cdk/package.json")), "bin/cdk");
const KEPT_LINES = 40;

export type CdkOptions = {
  env: NodeJS.ProcessEnv;
  /** ms */
  timeout: number;
  say(line: string): void;
  signal?: AbortSignal;
};

/**
 * Runs `cdk ...args` in this tree.
 * @throws Error with its last lines when it fails, or is not done in time
 */
export async function cdk(args: string[], options: CdkOptions): Promise<void> {
  const child = spawn(process.execPath, [CDK, ...args, "--no-notices", "--ci"], {
    cwd: ROOT,
    // its check of templates only warns, and takes eight seconds of a processor to begin
    env: { ...options.env, CDK_DISABLE_CLI_TELEMETRY: "true", CDK_VALIDATION: "false" },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  const late = AbortSignal.timeout(options.timeout);
  const over = options.signal ? AbortSignal.any([late, options.signal]) : late;
  // its group: the app that it started ends with it
  const end = () => child.pid !== undefined && process.kill(-child.pid, "SIGKILL");
  over.addEventListener("abort", end, { once: true });
  const last: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream, crlfDelay: Infinity }).on("line", (line) => {
      last.push(line);
      if (last.length > KEPT_LINES) last.shift();
      options.say(line);
    });
  }
  try {
    const code = await new Promise<number | null>((done, failed) => {
      child.once("error", failed);
      child.once("close", done);
    });
    options.signal?.throwIfAborted();
    if (code === 0) return;
    const why = late.aborted ? `was not done within ${options.timeout / 1000} s` : `ended with ${code}`;
    throw new Error(`cdk ${args[0]} ${why}:\n${last.join("\n")}`);
  } finally {
    over.removeEventListener("abort", end);
  }
}
