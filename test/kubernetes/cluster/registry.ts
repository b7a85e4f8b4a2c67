import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { canInstall, findProgram, run, systemEnvironment } from "../../../scripts/debian-packages.ts";
import type { Daemons } from "./daemons.ts";
import { spawnToEnd } from "./spawn-to-end.ts";

const COMMAND_MS = 360_000;
const PACKAGE = "docker-registry";

/** An onboard registry with two sides on one storage, as docs/kubernetes.md describes it. */
export type Registry = {
  /** nodes pull here: `host:port`, read-only */
  pull: string;
  /** the agent pushes here, on the loopback only */
  push: string;
  /** `user:password` of the agent */
  passwordFile: string;
  /** `Authorization` header of the nodes */
  nodeAuthorization: string;
  storage: string;
  /** collects what no manifest names; nothing may be pushed meanwhile */
  collect: string[];
};

/**
 * The program of the registry: what the machine has, else Debian's package, unpacked below `base` and not
 * installed, for an installed one would start a service.
 */
export async function ensureRegistryProgram(base: string, say: (line: string) => void): Promise<string> {
  const found = findProgram(PACKAGE);
  if (found) return found;
  const directory = join(base, "registry");
  const program = join(directory, "usr/bin", PACKAGE);
  if (existsSync(program)) return program;
  if (!canInstall()) throw new Error(`There is no program ${PACKAGE}: install Debian's package of that name`);
  say(`apt-get download ${PACKAGE}`);
  const part = `${directory}.${process.pid}.part`;
  mkdirSync(part, { recursive: true });
  try {
    const options = { cwd: part, env: systemEnvironment(), timeoutMs: COMMAND_MS };
    const download = () => spawnToEnd("apt-get", ["-q", "download", PACKAGE], options);
    await download().catch(async () => {
      await run("apt-get", ["-q", "update"], 5 * 60_000);
      await download();
    });
    const archive = readdirSync(part).find((name) => name.endsWith(".deb"));
    const unpacked = join(part, "unpacked");
    await run("dpkg-deb", ["-x", join(part, archive!), unpacked], COMMAND_MS);
    // whole or not at all; another process may have been first
    if (!existsSync(directory)) renameSync(unpacked, directory);
  } finally {
    rmSync(part, { recursive: true, force: true });
  }
  return program;
}

/** Starts both sides. `host`: the address by which the nodes know this machine. */
export async function startRegistry(
  clusterRun: string,
  daemons: Daemons,
  program: string,
  host: string,
): Promise<Registry> {
  const directory = join(clusterRun, "registry");
  const storage = join(directory, "storage");
  mkdirSync(storage, { recursive: true, mode: 0o700 });
  const agent = { user: "agent", password: randomBytes(18).toString("base64url") };
  const node = { user: "node", password: randomBytes(18).toString("base64url") };
  const sides = {
    push: { address: `127.0.0.1:${await freePort("127.0.0.1")}`, readonly: false, who: agent },
    pull: { address: `${host}:${await freePort(host, 5000)}`, readonly: true, who: node },
  };
  for (const [name, { address, readonly, who }] of Object.entries(sides)) {
    const passwords = join(directory, `${name}.htpasswd`);
    writeFileSync(passwords, `${who.user}:${await bcrypt(who.password)}\n`, { mode: 0o600 });
    const config = join(directory, `${name}.json`);
    writeFileSync(config, configuration({ storage, address, readonly, passwords }), { mode: 0o600 });
    await daemons.start(`registry-${name}`, [program, "serve", config]);
  }
  const passwordFile = join(directory, "agent.password");
  writeFileSync(passwordFile, `${agent.user}:${agent.password}\n`, { mode: 0o600 });
  return {
    pull: sides.pull.address,
    push: sides.push.address,
    passwordFile,
    nodeAuthorization: `Basic ${Buffer.from(`${node.user}:${node.password}`).toString("base64")}`,
    storage,
    collect: [program, "garbage-collect", join(directory, "push.json")],
  };
}

/** JSON is YAML. No cache: it would remember blobs that a collection has removed. */
function configuration(side: {
  storage: string;
  address: string;
  readonly: boolean;
  passwords: string;
}): string {
  return JSON.stringify({
    version: "0.1",
    log: { level: "warn", accesslog: { disabled: true } },
    storage: {
      filesystem: { rootdirectory: side.storage },
      delete: { enabled: true },
      maintenance: {
        uploadpurging: { enabled: !side.readonly, age: "2h", interval: "1h", dryrun: false },
        readonly: { enabled: side.readonly },
      },
    },
    http: { addr: side.address },
    auth: { htpasswd: { realm: "perigee", path: side.passwords } },
  });
}

/** The only form of password that the registry reads; perl has it from the C library. */
async function bcrypt(password: string): Promise<string> {
  const script = 'chomp(my $p = <STDIN>); print crypt($p, "\\$2b\\$05\\$" . $ARGV[0])';
  const salt = randomBytes(32).toString("base64").replaceAll(/[+=]/g, "").slice(0, 22);
  const hash = await spawnToEnd("perl", ["-e", script, salt], {
    input: `${password}\n`,
    timeoutMs: COMMAND_MS,
  });
  if (!hash.startsWith("$2b$")) throw new Error("this machine's crypt(3) knows no bcrypt");
  return hash.trim().replace("$2b$", "$2y$");
}

/** `preferred` when it is free. */
async function freePort(host: string, preferred?: number): Promise<number> {
  const listen = (port: number) =>
    new Promise<number>((resolve, reject) => {
      const server = createServer();
      server.once("error", reject);
      server.listen(port, host, () => {
        const { port: given } = server.address() as { port: number };
        server.close(() => resolve(given));
      });
    });
  return preferred === undefined ? listen(0) : listen(preferred).catch(() => listen(0));
}
