import { spawn } from "node:child_process";

const KEPT = 4_000;

/** The command was cut short: the collection that it began may go on without it. */
export class CollectionCut extends Error {
  override readonly name = "CollectionCut";
}

/**
 * Runs the registry's own collection, `docker-registry garbage-collect CONFIG` for example.
 * @throws Error with the end of its output when it fails; CollectionCut when something killed it, the signal too
 */
export async function collectBy(command: readonly string[], signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const child = spawn(command[0]!, command.slice(1), {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env.PATH },
  });
  const end = () => void child.kill("SIGKILL");
  signal.addEventListener("abort", end, { once: true });
  let output = "";
  const keep = (chunk: Buffer) => {
    output = (output + chunk).slice(-KEPT);
  };
  for (const stream of [child.stdout, child.stderr]) stream.on("data", keep).on("error", () => undefined);
  try {
    const [code, killed] = await new Promise<[number | null, string | null]>((resolve, reject) => {
      child.on("error", reject);
      child.once("close", (...end) => resolve(end));
    });
    if (code === null) throw new CollectionCut(`${command[0]} was cut short (${killed})`);
    if (code !== 0) throw new Error(`${command[0]} ended with ${code}: ${output.trimEnd()}`);
  } finally {
    signal.removeEventListener("abort", end);
  }
}
