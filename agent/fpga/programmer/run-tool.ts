import { execFile } from "node:child_process";

/** What a program said, and how it ended: `code` is its exit code, or the system's word when it could not run. */
export type ToolEnd = { code: number | string; output: string };

const OUTPUT_BYTES = 1024 * 1024;
const TOLD = 300;

/** Runs a program of PATH. It is ended with `signal`, where it can be, and after `timeoutMs`. It never throws. */
export function runTool(
  name: string,
  args: readonly string[],
  { signal, timeoutMs }: { signal?: AbortSignal; timeoutMs?: number } = {},
): Promise<ToolEnd> {
  const options = {
    maxBuffer: OUTPUT_BYTES,
    killSignal: "SIGKILL",
    ...(signal && { signal }),
    ...(timeoutMs !== undefined && { timeout: timeoutMs }),
  } as const;
  return new Promise((resolve) => {
    execFile(name, args, options, (error, stdout, stderr) => {
      const output = `${stdout}${stderr}`;
      if (!error) return resolve({ code: 0, output });
      resolve({ code: error.code ?? error.signal ?? "unknown", output });
    });
  });
}

/** The end of what a program said, in one line, for reports. */
export function toldBy({ code, output }: ToolEnd): string {
  const said = output
    .replace(/[^\x20-\x7e]+/g, " ")
    .trim()
    .slice(-TOLD);
  return `${code}${said ? ` (${said})` : ""}`;
}
