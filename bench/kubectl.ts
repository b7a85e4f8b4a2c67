import { spawn } from "node:child_process";

export type Kubectl = { program: string; kubeconfig: string };

/** Runs kubectl to its end. @returns what it said, and what on stderr; @throws Error when it fails */
export async function kubectl(
  { program, kubeconfig }: Kubectl,
  args: readonly string[],
  input?: object,
): Promise<{ out: string; err: string }> {
  const child = spawn(program, ["--kubeconfig", kubeconfig, ...args], { stdio: "pipe" });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk) => {
    out += chunk;
  });
  child.stderr.on("data", (chunk) => {
    err += chunk;
  });
  child.stdin.end(input && JSON.stringify(input));
  const code = await new Promise((resolve, reject) => child.once("error", reject).once("close", resolve));
  if (code !== 0) throw new Error(`kubectl ${args.join(" ")} ended with ${code}: ${err}`);
  return { out, err };
}

type Pod = { metadata: { namespace: string }; spec: Record<string, unknown> };

/** The same pod as `pod` under another name, as somebody would write it: of no agent. */
export function samePod(pod: Pod, name: string): object {
  const { nodeName: _, ...spec } = pod.spec;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: pod.metadata.namespace, labels: { bench: "kubectl" } },
    spec,
  };
}
