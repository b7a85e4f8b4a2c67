import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type CpioEntry, cpioOf } from "./cpio.ts";
import { isBuiltIn, readModule } from "./kernel-modules.ts";
import { RECIPE } from "./recipe.ts";

/**
 * Writes what a `linux` machine's kernel starts with: our first program, the modules that it loads, in their order, and
 * the checker of file systems.
 * @param from `kernel`: its unpacked package; `programs`: a directory with `init` and `e2fsck.static`
 * @throws Error naming a module that the kernel has not
 */
export async function makeInitramfs(
  to: string,
  { kernel, programs }: { kernel: string; programs: string },
): Promise<void> {
  const found: CpioEntry[] = [];
  for (const module of RECIPE.modules) {
    if (isBuiltIn(kernel, module)) continue;
    const name = `modules/${String(found.length).padStart(2, "0")}.ko`;
    found.push({ name, mode: 0o100644, content: await readModule(kernel, module) });
  }
  const directories = ["dev", "proc", "sys", "modules", "root"].map((name) => ({ name, mode: 0o040755 }));
  const archive = cpioOf([
    ...directories,
    { name: "init", mode: 0o100755, content: readFileSync(join(programs, "init")) },
    { name: "e2fsck", mode: 0o100755, content: readFileSync(join(programs, "e2fsck.static")) },
    ...found,
  ]);
  writeFileSync(to, archive);
}
