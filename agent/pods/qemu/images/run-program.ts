import { spawn } from "node:child_process";

const MOST = 4 * 1024 * 1024;
const MOST_LINES = 15;

/** Runs a program to its end; what it says on stdout. @throws Error with the end of what it said when it fails */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: { cwd?: string; timeoutMs?: number } = {},
): Promise<string> {
  const { cwd, timeoutMs = 20 * 60_000 } = options;
  const child = spawn(program, args, {
    ...(cwd !== undefined && { cwd }),
    env: { ...process.env, LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: timeoutMs,
  });
  let said = "";
  let told = "";
  child.stdout.on("data", (chunk) => {
    said = (said + chunk).slice(-MOST);
  });
  child.stderr.on("data", (chunk) => {
    told = (told + chunk).slice(-MOST);
  });
  const code = await new Promise<number | string>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status, signal) => resolve(status ?? signal ?? "unknown"));
  });
  if (code === 0) return said;
  const tail = (told || said).trimEnd().split("\n").slice(-MOST_LINES).join("\n");
  throw new Error(`${program} ${args.join(" ").slice(0, 300)} ended with ${code}:\n${tail}`);
}
