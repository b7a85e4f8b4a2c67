import { spawn } from "node:child_process";

const KEPT = 4_000;

/**
 * Runs the registry's own collection, `docker-registry garbage-collect CONFIG` for example.
 * @throws Error with the end of its output when it fails; the signal's reason
 */
export async function collectBy(command: readonly string[], signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const child = spawn(command[0]!, command.slice(1), { stdio: ["ignore", "pipe", "pipe"], env: {} });
  const end = () => void child.kill("SIGKILL");
  signal.addEventListener("abort", end, { once: true });
  let output = "";
  const keep = (chunk: Buffer) => {
    output = (output + chunk).slice(-KEPT);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  try {
    const code = await new Promise<number | string>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (status, name) => resolve(status ?? name ?? "unknown"));
    });
    signal.throwIfAborted();
    if (code !== 0) throw new Error(`${command[0]} ended with ${code}: ${output.trimEnd()}`);
  } finally {
    signal.removeEventListener("abort", end);
  }
}
