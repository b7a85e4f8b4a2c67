import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { createServer as createNetServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { findProgram } from "./debian-packages.ts";
import type { DaemonPlaces } from "./docker-daemon.ts";
import { askEngine, compareVersions, engineWithin, findEngine } from "./docker-engine.ts";
import { DockerMissing, ensureDocker, startEngine } from "./ensure-docker.ts";
import { commandLine, endProcess, isAlive, readPidFile, until } from "./processes.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "perigee-engine-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** An engine that says of itself what it is told to. */
async function fakeEngine(version: object): Promise<{ host: string; server: Server }> {
  const socket = join(directory, "fake.sock");
  const server = createServer((_, response) => response.end(JSON.stringify(version)));
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return { host: `unix://${socket}`, server };
}

describe("looking for an engine", () => {
  test("DOCKER_HOST alone is asked when it is set", async () => {
    const found = await findEngine({ DOCKER_HOST: `unix://${directory}/nothing.sock` });
    expect(found).toMatchObject({ reason: "silent", detail: expect.stringContaining("nothing.sock") });
  });

  test("an engine that answers is taken as it is", async () => {
    const { host, server } = await fakeEngine({ Version: "27.1.0", ApiVersion: "1.46", Os: "linux" });
    const lines: string[] = [];
    const ensured = await ensureDocker({ env: { DOCKER_HOST: host }, say: (line) => lines.push(line) });
    expect(ensured).toEqual({ host, version: "27.1.0" });
    expect(lines).toEqual([`docker: engine 27.1.0 answers at ${host}`]);
    server.close();
  });

  test("one that is being started is waited for, and it is said why there is none in the end", async () => {
    const env = { DOCKER_HOST: `unix://${join(directory, "fake.sock")}` };
    await expect(engineWithin(0, env)).rejects.toThrow("fake.sock is not there");
    const waiting = engineWithin(60_000, env);
    const { host, server } = await fakeEngine({ Version: "27.1.0", ApiVersion: "1.46", Os: "linux" });
    expect(await waiting).toEqual({ host, version: "27.1.0" });
    server.close();
  });

  test.each([
    ["an old engine", { Version: "19.3", ApiVersion: "1.40", Os: "linux" }, "20.10"],
    ["Windows containers", { Version: "27.1.0", ApiVersion: "1.46", Os: "windows" }, "windows"],
  ])("%s is refused with the reason", async (_, version, says) => {
    const { host, server } = await fakeEngine(version);
    expect(await askEngine(host)).toMatchObject({ reason: "unfit", detail: expect.stringContaining(says) });
    await expect(ensureDocker({ env: { DOCKER_HOST: host }, say: () => {} })).rejects.toThrow(says);
    server.close();
  });

  test("a DOCKER_HOST that does not answer starts no other engine", async () => {
    const host = `unix://${directory}/nothing.sock`;
    await expect(ensureDocker({ env: { DOCKER_HOST: host }, say: () => {} })).rejects.toThrow(DockerMissing);
  });

  test("a socket that its engine left behind counts as none", async () => {
    const socket = join(directory, "dead.sock");
    const code = `require("net").createServer().listen(${JSON.stringify(socket)}, () => process.kill(process.pid, "SIGKILL"))`;
    const child = spawn(process.execPath, ["-e", code]);
    await new Promise((resolve) => child.once("close", resolve));
    expect(await askEngine(`unix://${socket}`)).toMatchObject({ reason: "absent" });
  });

  test("a socket that accepts and says nothing is given up after a while", async () => {
    const socket = join(directory, "mute.sock");
    const server = createNetServer();
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    expect(await askEngine(`unix://${socket}`, 200)).toMatchObject({ reason: "silent" });
    server.close();
  });

  test.each([
    ["1.41", "1.41", 0],
    ["1.9", "1.41", -1],
    ["1.100", "1.41", 1],
    ["2.0", "1.41", 1],
  ])("version %s against %s", (a, b, sign) => {
    expect(Math.sign(compareVersions(a, b))).toBe(sign);
  });
});

const dockerd = findProgram("dockerd");
const canStart = process.getuid?.() === 0 && dockerd !== undefined && findProgram("unshare") !== undefined;
/** Network interfaces of this machine that an engine could have made or removed. */
const bridges = () => readdirSync("/sys/class/net").filter((name) => name === "docker0");

// A second engine beside the machine's own: own socket, own data, no firewall rules, and a network namespace
// of its own, because a dockerd without a bridge deletes docker0, whoever's it is
describe.skipIf(!canStart)("starting an engine", () => {
  const path = process.env.PATH;
  beforeEach(() => {
    const wrapper = join(directory, "bin/dockerd");
    mkdirSync(join(directory, "bin"));
    writeFileSync(wrapper, `#!/bin/sh\nexec unshare --net "${dockerd}" "$@"\n`, { mode: 0o755 });
    process.env.PATH = `${directory}/bin:${path}`;
  });
  afterEach(() => {
    process.env.PATH = path;
  });
  const started: number[] = [];
  let stranger: ChildProcess | undefined;
  const say = () => {};
  const places = (): DaemonPlaces => ({
    socket: join(directory, "docker.sock"),
    state: join(directory, "state"),
    exec: join(directory, "exec"),
    args: ["--bridge=none", "--iptables=false", "--ip6tables=false", "--storage-driver=vfs"],
  });
  afterEach(async () => {
    for (const pid of started.splice(0)) await endProcess(pid, 20_000);
    const containerd = readPidFile(join(directory, "exec/containerd/containerd.pid"));
    if (containerd && commandLine(containerd).includes(directory)) await endProcess(containerd, 10_000);
    // dockerd mounts its data root onto itself and, killed, leaves that behind; what is dying may still be in it
    const data = join(directory, "state/data");
    if (readFileSync("/proc/self/mountinfo", "utf8").includes(` ${data} `)) {
      execFileSync("umount", ["--lazy", data]);
    }
  });
  afterAll(() => stranger?.kill("SIGKILL"));

  test("starts it over stale pid files, finds it again, and starts over a killed one", async () => {
    const at = places();
    stranger = spawn("sleep", ["600"]);
    // ids that now belong to somebody else
    mkdirSync(join(at.exec, "containerd"), { recursive: true });
    mkdirSync(at.state, { recursive: true });
    writeFileSync(join(at.exec, "containerd/containerd.pid"), `${stranger.pid}`);
    writeFileSync(join(at.state, "dockerd.pid"), `${stranger.pid}`);

    const before = bridges();
    const lines: string[] = [];
    const first = await startEngine(at, (line) => lines.push(line));
    started.push(first.startedPid!);
    expect(isAlive(first.startedPid!)).toBe(true);
    expect(lines.join("\n")).toContain(`it stays up. To stop it: kill ${first.startedPid}`);

    const again = await startEngine(at, say);
    expect(again.startedPid).toBeUndefined();

    process.kill(first.startedPid!, "SIGKILL");
    await until(() => !isAlive(first.startedPid!), 10_000);
    const [one, other] = await Promise.all([startEngine(at, say), startEngine(at, say)]);
    const pids = [one.startedPid, other.startedPid].filter((pid) => pid !== undefined);
    started.push(...pids);
    expect(pids).toHaveLength(1);
    expect(await askEngine(`unix://${at.socket}`)).toHaveProperty("version");
    expect(isAlive(stranger.pid!)).toBe(true);
    expect(bridges()).toEqual(before);
  });

  test("an engine that cannot start says why, and leaves nothing running", async () => {
    const at = { ...places(), args: ["--storage-driver=nonesuch"] };
    await expect(startEngine(at, say)).rejects.toThrow(/driver not supported/);
    expect(readPidFile(join(at.state, "dockerd.pid"))).toBeUndefined();
  });
});
