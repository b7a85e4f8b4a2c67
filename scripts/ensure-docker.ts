import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { canInstall, findProgram, installPackages } from "./debian-packages.ts";
import {
  type DaemonPlaces,
  DEFAULT_PLACES,
  hasSystemd,
  startByHand,
  startBySystemd,
} from "./docker-daemon.ts";
import { askEngine, findEngine, type NoEngine } from "./docker-engine.ts";
import { takeLock } from "./file-lock.ts";
import { until } from "./processes.ts";

const START_MS = 270_000;

/** `startedPid` is there when an engine was started by hand now: whoever wants it gone ends that process. */
export type Ensured = { host: string; version: string; startedPid?: number };

/** There is no engine, and what to do about it; `message` is for people. */
export class DockerMissing extends Error {
  override readonly name = "DockerMissing";
}

/**
 * Makes sure that a Docker engine answers. An engine that is there is used as it is. With none, root on
 * Debian or Ubuntu gets one installed and started; anybody else is told what to do. Safe to repeat, and to
 * run several times at once.
 * @throws DockerMissing
 */
export async function ensureDocker(
  options: { say?: (line: string) => void; env?: NodeJS.ProcessEnv } = {},
): Promise<Ensured> {
  const say = options.say ?? ((line) => console.log(line));
  const found = await findEngine(options.env);
  if ("version" in found) {
    say(`docker: engine ${found.version} answers at ${found.host}`);
    return found;
  }
  say(`docker: ${found.detail}`);
  if (found.reason !== "absent" || !canInstall()) throw new DockerMissing(advice(found));
  return await startEngine(DEFAULT_PLACES, say);
}

/** Installs what is missing and starts an engine at `places`; only one process does it at a time. */
export async function startEngine(places: DaemonPlaces, say: (line: string) => void): Promise<Ensured> {
  const lock = await takeLock(join(places.state, "ensure.lock"), 10 * 60_000);
  if (!lock)
    throw new DockerMissing(`another process has been starting an engine in ${places.state} for 10 minutes`);
  try {
    const host = `unix://${places.socket}`;
    // Whoever held the lock before us may have done it all
    const before = await askEngine(host);
    if ("version" in before) return before;

    await installMissing(say);
    const afterInstall = await askEngine(host);
    if ("version" in afterInstall) {
      say(`docker: engine ${afterInstall.version} was started by its package; it stays up`);
      return afterInstall;
    }
    const isSystem = places === DEFAULT_PLACES && hasSystemd();
    if (isSystem) {
      say("docker: systemctl start docker");
      await startBySystemd();
      await until(async () => "version" in (await askEngine(host)), START_MS);
    }
    const byHand = isSystem ? undefined : await startByHand(places, START_MS);
    const engine = await askEngine(host);
    if (!("version" in engine)) throw new DockerMissing(`the engine was started, but: ${engine.detail}`);

    const stop = byHand ? `kill ${byHand.pid}` : "systemctl stop docker docker.socket";
    say(
      `docker: ${byHand?.already ? "found" : "started"} engine ${engine.version}; it stays up. To stop it: ${stop}`,
    );
    if (byHand) say(`docker: its data and log are in ${places.state}`);
    return { ...engine, ...(byHand && !byHand.already && { startedPid: byHand.pid }) };
  } finally {
    lock.release();
  }
}

async function installMissing(say: (line: string) => void): Promise<void> {
  const missing = [
    ...(findProgram("dockerd") ? [] : ["docker.io"]),
    ...(findProgram("iptables") ? [] : ["iptables"]),
    ...(findProgram("busybox") ? [] : ["busybox-static"]),
  ];
  if (missing.length === 0) return;
  await installPackages(missing, (line) => say(`docker: ${line}`));
}

function advice(found: NoEngine): string {
  if (found.reason === "denied") {
    return `${found.detail}. Run this as root, or add yourself to the group of the socket: sudo usermod -aG docker $USER, then log in again.`;
  }
  if (found.reason !== "absent")
    return `${found.detail}. Start or update that engine, or point DOCKER_HOST at another.`;
  const why =
    process.platform === "linux"
      ? "Perigee starts an engine by itself only as root on Debian or Ubuntu."
      : "Perigee's agent needs Linux.";
  return `No Docker engine: ${found.detail}. ${why} Install and start Docker 20.10 or newer (https://docs.docker.com/engine/install/), or set DOCKER_HOST to an engine you have, then run this again.`;
}

if (import.meta.main) {
  // --record FILE: write there the process id of an engine that was started now
  const record = process.argv.indexOf("--record");
  try {
    const ensured = await ensureDocker();
    const file = process.argv[record + 1];
    if (record > 0 && file && ensured.startedPid) writeFileSync(file, `${ensured.startedPid}\n`);
  } catch (error) {
    console.error(`docker: ${(error as Error).message}`);
    process.exitCode = 1;
  }
}
