import { isUtf8 } from "node:buffer";
import { constants, createReadStream } from "node:fs";
import { access, mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { PerigeeError } from "#protocol/errors.ts";
import { MiB } from "#protocol/limits.ts";
import {
  type FetchedRepository,
  type RepositoryAddress,
  RepositoryFailed,
  type RepositoryFetcher,
  type RepositoryFile,
} from "../../ports/repository-fetcher.ts";
import { entriesBeneath } from "./entries-beneath.ts";
import { type OneHostProxyOptions, openOneHostProxy } from "./one-host-proxy.ts";
import { writeOnlyHttp } from "./only-http.ts";
import { type RunHgOptions, runHg } from "./run-hg.ts";
import { watchBytes } from "./watch-bytes.ts";

export type MercurialFetcherOptions = {
  /** the program (default: looked for in the system's directories) */
  hg?: string;
  /** ms for all of it (default 60 000) */
  timeoutMs?: number;
  /** bytes of the files together, and of what lies on disk meanwhile (default 256 MiB) */
  bytes?: number;
  /** files of a revision (default 10 000) */
  files?: number;
  /** repositories that are fetched at the same time, each for another user (default 4) */
  atOnce?: number;
  /** bytes of address space of a process (default 1 GiB) */
  memoryBytes?: number;
  /** see {@link OneHostProxyOptions} */
  resolve?: OneHostProxyOptions["resolve"];
};

const DEFAULTS = {
  timeoutMs: 60_000,
  bytes: 256 * MiB,
  files: 10_000,
  atOnce: 4,
  memoryBytes: 1024 * MiB,
} satisfies MercurialFetcherOptions;

const PLACES = ["/usr/local/bin/hg", "/usr/bin/hg", "/bin/hg"];
/** What a clone shows when no revision is asked for. */
const SHOWN = 'first(present("@") + present("default") + tip)';
/** A name, a number or a hash: Mercurial has a language for revisions, which is not for strangers. */
const REVISION = /^[\p{L}\p{N}_@][\p{L}\p{N}_.@/+ -]{0,199}$/u;

/**
 * {@link RepositoryFetcher} by Mercurial's own program, bounded in time, CPU, memory, bytes and files. Its only way out
 * is a proxy that knows one host.
 */
export class MercurialFetcher implements RepositoryFetcher {
  readonly #directory: string;
  readonly #options: MercurialFetcherOptions & typeof DEFAULTS;
  /** the users that a repository is fetched for */
  readonly #users = new Set<string>();

  private constructor(directory: string, options: MercurialFetcherOptions) {
    this.#directory = directory;
    this.#options = { ...DEFAULTS, ...options };
  }

  /** @param directory its own: what a death left there is removed */
  static async open(directory: string, options: MercurialFetcherOptions = {}): Promise<MercurialFetcher> {
    await rm(directory, { recursive: true, force: true });
    return new MercurialFetcher(directory, options);
  }

  async fetch(user: string, address: RepositoryAddress, signal: AbortSignal): Promise<FetchedRepository> {
    const { atOnce, timeoutMs } = this.#options;
    const { revision } = address;
    if (revision !== undefined && !REVISION.test(revision)) {
      throw new RepositoryFailed("the revision is no name, number or hash");
    }
    const hg = await this.#program();
    if (hg === undefined) throw new RepositoryFailed("not available on this ground");
    if (this.#users.size >= atOnce || this.#users.has(user)) {
      throw new PerigeeError("TOO_MANY_REQUESTS", "Too many repositories at once");
    }
    this.#users.add(user);
    let directory: string | undefined;
    const dispose = async () => {
      try {
        if (directory !== undefined) await rm(directory, { recursive: true, force: true });
      } finally {
        this.#users.delete(user);
      }
    };
    const late = AbortSignal.timeout(timeoutMs);
    try {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 });
      directory = await mkdtemp(join(this.#directory, "clone-"));
      const files = await this.#clone(directory, hg, address, AbortSignal.any([signal, late]));
      return { files, [Symbol.asyncDispose]: dispose };
    } catch (error) {
      await dispose();
      if (signal.aborted) throw signal.reason;
      if (late.aborted) throw new RepositoryFailed(`it took over ${Math.ceil(timeoutMs / 1000)} seconds`);
      throw error;
    }
  }

  async #program(): Promise<string | undefined> {
    for (const path of this.#options.hg === undefined ? PLACES : [this.#options.hg]) {
      const found = await access(path, constants.X_OK).then(
        () => true,
        () => false,
      );
      if (found) return path;
    }
    return undefined;
  }

  async #clone(
    directory: string,
    hg: string,
    address: RepositoryAddress,
    signal: AbortSignal,
  ): Promise<RepositoryFile[]> {
    const { bytes, timeoutMs, memoryBytes, resolve } = this.#options;
    const { url, internal, revision } = address;
    const port = url.port || (url.protocol === "https:" ? 443 : 80);
    const config = await writeOnlyHttp(directory);
    await using proxy = await openOneHostProxy({
      host: `${url.hostname}:${port}`,
      internal,
      ...(resolve && { resolve }),
    });
    const stopped = new AbortController();
    const watched = new AbortController();
    const watching = watchBytes(directory, 2 * bytes, AbortSignal.any([signal, watched.signal])).then(
      (over) => over && stopped.abort(tooLarge(bytes)),
      (error: unknown) => stopped.abort(error),
    );
    const running = AbortSignal.any([signal, stopped.signal]);
    const run: RunHgOptions = {
      hg,
      directory,
      proxyPort: proxy.port,
      config,
      signal: running,
      cpuSeconds: Math.ceil(timeoutMs / 1000),
      memoryBytes,
      fileBytes: bytes,
    };
    const wanted = revision === undefined ? SHOWN : `"${revision}"`;
    try {
      const quiet = { ...run, quiet: true };
      await runHg(["clone", "--noupdate", "--pull", "--", url.href, "repository"], quiet);
      const there = ["--cwd", "repository"];
      this.#assertBounds(await runHg(["files", ...there, `--rev=${wanted}`, "-T", "{size}\\n"], run));
      await runHg(["archive", ...there, `--rev=${wanted}`, "--type=files", "../files"], quiet);
      return await regularFiles(join(directory, "files"), running);
    } catch (error) {
      if (error instanceof RepositoryFailed && proxy.refused !== undefined) {
        throw new RepositoryFailed(proxy.refused, { cause: error });
      }
      throw error;
    } finally {
      watched.abort();
      await watching;
    }
  }

  /** @param sizes of all files, one a line: told before any of them is written */
  #assertBounds(sizes: string): void {
    const { bytes, files } = this.#options;
    const all = sizes.trim() === "" ? [] : sizes.trim().split("\n").map(Number);
    if (all.length > files) {
      throw new RepositoryFailed(`it has ${all.length} files, at most ${files} are taken`);
    }
    if (all.reduce((sum, size) => sum + size, 0) > bytes) throw tooLarge(bytes);
  }
}

function tooLarge(bytes: number): RepositoryFailed {
  return new RepositoryFailed(`it is over ${Math.floor(bytes / MiB)} MiB`);
}

/** All regular files beneath a directory; what it has no right to be is left out. */
async function regularFiles(root: string, signal: AbortSignal): Promise<RepositoryFile[]> {
  const files: RepositoryFile[] = [];
  for await (const { at: bytes, entry, size } of entriesBeneath(root, signal)) {
    if (!entry.isFile()) continue;
    if (!isUtf8(bytes)) throw new RepositoryFailed("a file name is not UTF-8");
    const at = bytes.toString();
    const open = () => createReadStream(at, { flags: constants.O_RDONLY | constants.O_NOFOLLOW } as object);
    files.push({ path: at.slice(root.length + 1), size, open });
  }
  return files;
}
