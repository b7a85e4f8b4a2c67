import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cacheFolder } from "../cache-folder.ts";
import { canInstall, findProgram, installPackages, run } from "../debian-packages.ts";
import { takeLock } from "../file-lock.ts";

const INSTALL_MS = 15 * 60_000;
const DONE = "installed";

/**
 * A Python environment with the pinned packages of `requirements` (a file as pip takes it, with every dependency),
 * made once for each content of that file in {@link cacheFolder}: one process makes it, others wait. Python itself is
 * installed where we may.
 * @returns its directory; programs are in `bin/`
 * @throws Error that says what is missing
 */
export async function ensureVenv(
  name: string,
  requirements: string,
  say: (line: string) => void,
): Promise<string> {
  const hash = createHash("sha256").update(readFileSync(requirements)).digest("hex");
  const cache = cacheFolder();
  const directory = join(cache, `${name}-${hash.slice(0, 12)}`);
  const done = join(directory, DONE);
  if (existsSync(done)) return directory;
  await mkdir(cache, { recursive: true });
  const lock = await takeLock(`${directory}.lock`, INSTALL_MS);
  if (!lock) throw new Error(`another process has been installing ${name} in ${directory} for 15 minutes`);
  try {
    if (existsSync(done)) return directory;
    await rm(directory, { recursive: true, force: true });
    const python = await findPython(name, say);
    say(`${name}: installing from PyPI (once)`);
    await run(python, ["-m", "venv", directory], INSTALL_MS);
    const pip = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", requirements];
    await run(join(directory, "bin/python"), pip, INSTALL_MS);
    await writeFile(done, "");
  } finally {
    lock.release();
  }
  return directory;
}

/** A Python that can make environments, which Debian has in a package of its own. */
async function findPython(name: string, say: (line: string) => void): Promise<string> {
  const usable = async () => {
    const python = findProgram("python3");
    return (
      python &&
      (await run(python, ["-c", "import ensurepip, venv"], 60_000).then(
        () => python,
        () => undefined,
      ))
    );
  };
  const found = await usable();
  if (found) return found;
  const needed = ["python3", "python3-venv"];
  if (!canInstall()) throw new Error(`${name} needs ${needed.join(" and ")}: install them`);
  await installPackages(needed, (line) => say(`${name}: ${line}`));
  const installed = await usable();
  if (!installed) throw new Error(`${name} needs a python3 that makes environments (venv, pip)`);
  return installed;
}
