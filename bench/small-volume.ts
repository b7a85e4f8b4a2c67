import type { BenchStack } from "./bench-stack.ts";

/** Makes a volume of three small files. */
export async function fillSmallVolume({ url, headers }: BenchStack): Promise<void> {
  const form = new FormData();
  for (const name of ["a.txt", "b.txt", "c.txt"]) form.append("files", new Blob([name]), name);
  form.append("pod_name", "small");
  const { status } = await fetch(`${url}/em/files/uplink`, { method: "POST", headers, body: form });
  if (status !== 200) throw new Error(`uplink answered ${status}`);
}

/** `GET /em/files/list` of it. */
export function listSmallVolume(stack: BenchStack): Promise<unknown> {
  return stack.get("/em/files/list?pod_name=small");
}
