import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { clusterUnderTest } from "./cluster-under-test.ts";

export type Said = { ok: boolean; text: string };

/** What kubectl says to the administrator, within three minutes; `input` is its standard input. */
export async function kubectl(args: readonly string[], input = ""): Promise<Said> {
  const { kubectl: program, kubeconfig } = clusterUnderTest();
  const child = promisify(execFile)(program, ["--kubeconfig", kubeconfig, ...args], {
    timeout: 180_000,
    maxBuffer: 16 * 1024 * 1024,
  });
  child.child.stdin?.end(input);
  return child.then(
    ({ stdout }) => ({ ok: true, text: stdout.trim() }),
    (error: { stdout: string; stderr: string }) => ({ ok: false, text: `${error.stdout}${error.stderr}` }),
  );
}
