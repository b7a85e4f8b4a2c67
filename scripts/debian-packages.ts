import { spawn } from "node:child_process";
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { takeLock } from "./file-lock.ts";

/** System tools that a user's PATH often leaves out. */
const SYSTEM_PATH = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/** Full path of a program, looked for in PATH and in the system directories; undefined when it is missing. */
export function findProgram(name: string): string | undefined {
  for (const directory of [...(process.env.PATH ?? "").split(":"), ...SYSTEM_PATH]) {
    const path = `${directory}/${name}`;
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // next
    }
  }
  return undefined;
}

/** The environment for system tools: they need the sbin directories. */
export function systemEnvironment(): NodeJS.ProcessEnv {
  const path = [...new Set([...(process.env.PATH ?? "").split(":"), ...SYSTEM_PATH])].join(":");
  return { ...process.env, PATH: path, DEBIAN_FRONTEND: "noninteractive" };
}

/** May we install packages here: root on Debian, Ubuntu or a child of theirs? */
export function canInstall(): boolean {
  if (process.platform !== "linux" || process.getuid?.() !== 0 || !findProgram("apt-get")) return false;
  if (!existsSync("/etc/os-release")) return false;
  const release = readFileSync("/etc/os-release", "utf8");
  return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(release);
}

/**
 * Full path of a program that a test needs, from its Debian package where it is missing and we may install it.
 * @throws Error when it is missing and cannot be installed here
 */
export async function ensureProgram(name: string, of: string, say: (line: string) => void): Promise<string> {
  if (!findProgram(name) && canInstall()) await installPackages([of], say);
  const path = findProgram(name);
  if (!path) throw new Error(`There is no ${name} (Debian's package ${of}), and it cannot be installed here`);
  return path;
}

/** apt-get has no lock of its own that waits: two updates at once fail. */
const APT_LOCK = "/run/lock/perigee-apt.lock";

/**
 * Installs packages without a question. `say` gets one line a step; apt's own output is shown only when it fails.
 * @throws Error with the last lines of apt when it fails
 */
export async function installPackages(packages: string[], say: (line: string) => void): Promise<void> {
  const options = ["-o", "DPkg::Lock::Timeout=120", "-o", "Acquire::Retries=3"];
  const lock = await takeLock(APT_LOCK, 30 * 60_000);
  if (!lock) throw new Error("another process of Perigee has been installing packages for 30 minutes");
  try {
    say("apt-get update");
    await run("apt-get", [...options, "-q", "update"], 10 * 60_000);
    say(`apt-get install ${packages.join(" ")}`);
    await run(
      "apt-get",
      [...options, "-q", "-y", "install", "--no-install-recommends", ...packages],
      20 * 60_000,
    );
  } finally {
    lock.release();
  }
}

/** Runs a program to its end, quietly. @throws Error with the end of its output when it fails or takes too long */
export async function run(program: string, args: string[], timeoutMs: number): Promise<string> {
  const child = spawn(program, args, {
    env: systemEnvironment(),
    stdio: ["ignore", "pipe", "pipe"],
    timeout: timeoutMs,
  });
  let output = "";
  const keep = (chunk: Buffer) => {
    output = (output + chunk).slice(-20_000);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  const code = await new Promise<number | string>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status, signal) => resolve(status ?? signal ?? "unknown"));
  });
  if (code !== 0) {
    const tail = output.trimEnd().split("\n").slice(-15).join("\n");
    throw new Error(`${program} ${args.join(" ")} ended with ${code}:\n${tail}`);
  }
  return output;
}
