import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runProgram } from "./run-program.ts";

/** Directories that Debian's packages take for links into `/usr`. */
const MERGED = ["bin", "sbin", "lib", "lib64"];

/**
 * Debian's packages, downloaded by this machine's apt and unpacked, without installing anything: nothing on this machine
 * is asked what it has, so that all that they depend on comes too. Needs no rights.
 */
export class DebianPackages {
  readonly #directory: string;
  readonly #options: string[];
  #hasLists = false;

  /** @param directory an empty one, for what is downloaded */
  constructor(directory: string) {
    this.#directory = directory;
    const status = join(directory, "status");
    writeFileSync(status, "");
    this.#options = [
      ...["-o", `Dir::State::status=${status}`, "-o", "Debug::NoLocking=1", "-o", "Acquire::Retries=3"],
      ...["-o", "APT::Install-Recommends=false", "-q", "-y"],
    ];
  }

  /** Unpacks packages and what they depend on into a new directory. */
  async unpackAll(packages: readonly string[], root: string): Promise<void> {
    const archives = join(root, "..", `archives-${packages[0]}`);
    const cache = ownCache(archives);
    await this.#withLists(() => this.#aptGet([...cache, "--download-only", "install", ...packages]));
    for (const name of MERGED) {
      mkdirSync(join(root, "usr", name), { recursive: true });
      symlinkSync(`usr/${name}`, join(root, name));
    }
    for (const archive of archivesIn(archives)) await unpack(archive, root);
  }

  /** Unpacks the newest kernel that a package without content leads to, and nothing else, into a new directory. */
  async unpackKernel(meta: string, root: string): Promise<void> {
    mkdirSync(root, { recursive: true });
    const archives = join(root, "..", `archives-${meta}`);
    // what this machine's cache has would not be listed
    const cache = ownCache(archives);
    await this.#withLists(async () => {
      const listed = await this.#aptGet([...cache, "--print-uris", "install", meta]);
      const name = /\/(linux-image-[0-9][^_/]*)_[^/]*\.deb'/.exec(listed)?.[1];
      if (name === undefined) throw new Error(`${meta} leads to no kernel`);
      await this.#aptGet([...cache, "download", name], archives);
    });
    for (const archive of archivesIn(archives)) await unpack(archive, root);
  }

  #aptGet(args: readonly string[], cwd?: string): Promise<string> {
    return runProgram("apt-get", [...this.#options, ...args], cwd === undefined ? {} : { cwd });
  }

  /** The lists of this machine may be missing or out of date: then we get our own, once. */
  async #withLists<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (this.#hasLists) throw error;
      this.#hasLists = true;
      const lists = join(this.#directory, "lists");
      mkdirSync(join(lists, "partial"), { recursive: true });
      this.#options.push("-o", `Dir::State::lists=${lists}`);
      await this.#aptGet(["update"]);
      return await work();
    }
  }
}

/** Makes a directory that apt keeps archives in, and the options by which it does. */
function ownCache(archives: string): string[] {
  mkdirSync(join(archives, "partial"), { recursive: true });
  return ["-o", `Dir::Cache::archives=${archives}/`];
}

function archivesIn(directory: string): string[] {
  const names = readdirSync(directory).filter((name) => name.endsWith(".deb"));
  return names.map((name) => join(directory, name));
}

/** Links of the merged directories stay links. */
async function unpack(archive: string, root: string): Promise<void> {
  const script = 'dpkg-deb --fsys-tarfile "$1" | tar -x --keep-directory-symlink --no-same-owner -C "$2"';
  await runProgram("/bin/sh", ["-c", `set -e; ${script}`, "unpack", archive, root]);
}
