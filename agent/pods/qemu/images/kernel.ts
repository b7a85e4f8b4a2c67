import { copyFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** Copies the one kernel of an unpacked package. */
export function placeKernel(root: string, to: string): void {
  const name = readdirSync(join(root, "boot")).find((one) => one.startsWith("vmlinuz-"));
  if (name === undefined) throw new Error("there is no kernel in its package");
  copyFileSync(join(root, "boot", name), to);
}
