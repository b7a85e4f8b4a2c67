import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, openSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { findProgram, run, systemEnvironment } from "./debian-packages.ts";
import { askEngine } from "./docker-engine.ts";
import { commandLine, isAlive, readPidFile, until } from "./processes.ts";

/** Where an engine that we start by hand keeps its things. */
export type DaemonPlaces = {
  /** the socket it listens on */
  socket: string;
  /** images and containers, log, pid file; survives a reboot */
  state: string;
  /** sockets and state of running containers; need not survive a reboot */
  exec: string;
  /** further arguments of dockerd */
  args: readonly string[];
};

export const DEFAULT_PLACES: DaemonPlaces = {
  socket: "/var/run/docker.sock",
  state: "/var/lib/perigee-engine",
  exec: "/run/perigee-engine",
  args: [],
};

/** Is systemd the init of this machine? Then it starts engines, not we. */
export function hasSystemd(): boolean {
  return existsSync("/run/systemd/system") && findProgram("systemctl") !== undefined;
}

/** Starts the packaged engine through systemd. @throws Error with what systemd says */
export async function startBySystemd(): Promise<void> {
  await run("systemctl", ["start", "docker.service"], 120_000);
}

/**
 * Starts dockerd detached from us and waits until it answers. What a killed dockerd left behind (pid files whose
 * ids now belong to nobody or to somebody else, a dead socket) is cleared away first.
 * @returns its process id; `already` when one was there under our pid file and only had to be waited for
 * @throws Error with the end of its log when it does not come up in time
 */
export async function startByHand(
  places: DaemonPlaces,
  timeoutMs: number,
): Promise<{ pid: number; already: boolean }> {
  mkdirSync(places.state, { recursive: true, mode: 0o711 });
  mkdirSync(places.exec, { recursive: true, mode: 0o700 });
  const pidFile = join(places.state, "dockerd.pid");
  const logFile = join(places.state, "dockerd.log");
  const answers = async () => "version" in (await askEngine(`unix://${places.socket}`));

  const running = readPidFile(pidFile);
  if (running !== undefined && isDaemon(running, "dockerd")) {
    if (await until(answers, timeoutMs)) return { pid: running, already: true };
    throw new Error(`dockerd is running as process ${running}, but does not answer; its log: ${logFile}`);
  }
  clearLeftovers(pidFile, places);

  const dockerd = findProgram("dockerd");
  if (!dockerd) throw new Error("dockerd is not installed");
  const log = openSync(logFile, "a", 0o600);
  const child = spawn(
    dockerd,
    [
      ...["--host", `unix://${places.socket}`, "--data-root", join(places.state, "data")],
      ...["--exec-root", places.exec, "--pidfile", pidFile, ...places.args],
    ],
    { env: systemEnvironment(), stdio: ["ignore", log, log], detached: true, cwd: "/" },
  );
  await started(child);
  const up = await until(async () => child.exitCode !== null || (await answers()), timeoutMs);
  if (child.exitCode !== null || !up) {
    const why = child.exitCode === null ? `did not answer within ${timeoutMs / 1000} s` : "ended at once";
    if (child.exitCode === null) child.kill("SIGTERM");
    throw new Error(`dockerd ${why}; the end of ${logFile}:\n${tailOf(logFile, 12)}`);
  }
  child.unref();
  return { pid: child.pid!, already: false };
}

function clearLeftovers(pidFile: string, places: DaemonPlaces): void {
  // dockerd refuses to start while any process has the id in its pid file
  rmSync(pidFile, { force: true });
  const containerd = join(places.exec, "containerd", "containerd.pid");
  const pid = readPidFile(containerd);
  // A containerd that outlived its dockerd is taken over by the next one; another process would be waited for
  if (pid !== undefined && !isDaemon(pid, "containerd")) rmSync(containerd, { force: true });
}

function isDaemon(pid: number, name: string): boolean {
  const program = commandLine(pid).split(" ")[0] ?? "";
  return isAlive(pid) && program.split("/").at(-1) === name;
}

async function started(child: ChildProcess): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", reject);
  });
}

function tailOf(path: string, lines: number): string {
  return readFileSync(path, "utf8").trimEnd().split("\n").slice(-lines).join("\n");
}
