import { spawn } from "node:child_process";
import { RepositoryFailed } from "../../ports/repository-fetcher.ts";

export type RunHgOptions = {
  /** path of the program */
  hg: string;
  /** everything that it writes lies beneath it */
  directory: string;
  /** of the one way out */
  proxyPort: number;
  /** further settings */
  config: Record<string, string>;
  /** what it writes is of no interest (default false) */
  quiet?: boolean;
  signal: AbortSignal;
  /** seconds of CPU */
  cpuSeconds: number;
  /** bytes of address space */
  memoryBytes: number;
  /** bytes of one file */
  fileBytes: number;
};

/** Bytes of its output and of its errors that it may write. */
const OUTPUT_BYTES = 8 * 1024 * 1024;
const ERROR_BYTES = 64 * 1024;

// dash and bash count -v in KiB, and -f in blocks of 512 or 1024 bytes: it is given so that neither allows more
const LIMITED =
  'ulimit -t "$1" && ulimit -v "$2" && ulimit -f "$3" && ulimit -c 0 && shift 3 && exec "$@" </dev/null';

/** Nothing of the machine's or a user's settings counts, and the proxy is used for every host, this one too. */
function configOf(port: number, further: Record<string, string>): string[] {
  const config = {
    "ui.interactive": "False",
    "ui.merge": "internal:fail",
    "ui.ssh": "false",
    "ui.clonebundles": "False",
    "ui.archivemeta": "False",
    "ui.timeout": "10",
    "subrepos.allowed": "False",
    "phases.publish": "False",
    "http_proxy.host": `127.0.0.1:${port}`,
    "http_proxy.always": "True",
    "extensions.lfs": "!",
    "extensions.largefiles": "!",
    "worker.enabled": "False",
    ...further,
  };
  return Object.entries(config).flatMap(([key, value]) => ["--config", `${key}=${value}`]);
}

/**
 * Runs Mercurial in a process group of its own, which has ended when this settles.
 * @returns what it wrote; nothing when it is quiet
 * @throws RepositoryFailed with what it said; the signal's reason
 */
export async function runHg(args: readonly string[], options: RunHgOptions): Promise<string> {
  const { hg, directory, proxyPort, signal, cpuSeconds, memoryBytes, fileBytes, quiet = false } = options;
  signal.throwIfAborted();
  const limits = [cpuSeconds, Math.floor(memoryBytes / 1024), Math.ceil(fileBytes / 1024)].map(String);
  const settings = configOf(proxyPort, options.config);
  const command = [hg, ...settings, ...(quiet ? ["--quiet"] : []), ...args];
  const child = spawn("/bin/sh", ["-c", LIMITED, "sh", ...limits, ...command], {
    cwd: directory,
    detached: true,
    stdio: ["ignore", quiet ? "ignore" : "pipe", "pipe"],
    env: {
      PATH: "/usr/local/bin:/usr/bin:/bin",
      HOME: directory,
      TMPDIR: directory,
      HGRCPATH: "",
      HGPLAIN: "1",
      HGENCODING: "UTF-8",
      LC_ALL: "C.UTF-8",
    },
  });
  const kill = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    } catch {
      // nothing of the group is left
    }
  };
  signal.addEventListener("abort", kill, { once: true });
  const output = gather(child.stdout, OUTPUT_BYTES, kill);
  const errors = gather(child.stderr, ERROR_BYTES, kill);
  try {
    const [code, killedBy] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (...how) => resolve(how));
    });
    kill();
    await Promise.all([output.ended, errors.ended]);
    signal.throwIfAborted();
    if (output.over || errors.over) throw new RepositoryFailed("Mercurial has too much to say about it");
    // 1 without a word: there is nothing to list
    if (code === 0 || (code === 1 && errors.text() === "")) return output.text();
    throw new RepositoryFailed(reasonOf(errors.text(), directory, killedBy));
  } finally {
    signal.removeEventListener("abort", kill);
    kill();
  }
}

/** What a stream says; `tooMuch` is called when that is over `most` bytes, and nothing more is kept. */
function gather(stream: NodeJS.ReadableStream | null, most: number, tooMuch: () => void) {
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream?.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= most) chunks.push(chunk);
    else tooMuch();
  });
  return {
    ended: stream && new Promise((resolve) => stream.once("close", resolve)),
    get over() {
      return bytes > most;
    },
    text: () => Buffer.concat(chunks).toString(),
  };
}

/** What Mercurial gave up with, in one line and without the ground's own paths. */
function reasonOf(errors: string, directory: string, killedBy: NodeJS.Signals | null): string {
  const lines = errors.split("\n").flatMap((line) => line.trim() || []);
  const said = lines.findLast((line) => line.startsWith("abort: "))?.slice("abort: ".length) ?? lines.at(-1);
  if (said === undefined || killedBy) return "it takes too much CPU, memory or disk";
  return said.replaceAll(directory, "").slice(0, 300);
}
