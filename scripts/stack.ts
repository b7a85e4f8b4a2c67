import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Child, type Exit } from "./child.ts";
import { type FileLock, takeLock } from "./file-lock.ts";
import { type Prepared, prepareData } from "./prepare-data.ts";
import { commandLine, endProcess, environmentOf, isAlive } from "./processes.ts";

const ROOT = resolve(import.meta.dirname, "..");
const SOURCES = {
  ground: join(ROOT, "lambdas/entries/server.ts"),
  agent: join(ROOT, "agent/entries/agent.ts"),
};

const READY_MS = 180_000;
/** An agent needs time to hand back what it is doing; the ground to end its requests. */
const AGENT_GRACE_MS = 60_000;
const GROUND_GRACE_MS = 30_000;

export type StackOptions = {
  /** directory where everything lives */
  data: string;
  host: string;
  /** 0: any free one */
  port: number;
  user?: string;
  password?: string;
  /** as in DOCKER_HOST; absent: the agent finds its engine itself */
  dockerHost?: string;
  /** further environment for both processes */
  env?: NodeJS.ProcessEnv;
  /** the address at which the agent reaches the ground, where it is another than the ground's own */
  through?(url: string): Promise<string>;
  /** begin of the command line that runs the agent: it ends up as the same process (default: Node alone) */
  agentBehind?: readonly string[];
  /** files of both programs (default: the sources) */
  programs?: { ground: string; agent: string };
  /** the data is ready, nothing runs yet: a password that was made up is known from here on */
  onPrepared?(prepared: Prepared): void;
  /** one line of a child's log */
  onLine(child: string, line: string): void;
  /** gives up starting */
  signal?: AbortSignal;
};

/** At which the instances of a machine that is ground and edge are reached from it. */
const INSTANCES = "127.88.0.0/16";

/** Another process has this data in use. */
export class AlreadyRunning extends Error {
  override readonly name = "AlreadyRunning";
}

export type Stack = {
  /** `http://host:port` of the ground */
  url: string;
  /** addresses of what else it serves, by name */
  listeners: Record<string, string>;
  ground: Child;
  agent: Child;
  prepared: Prepared;
  /** A child ended without being asked to. Never settles otherwise. */
  died: Promise<{ child: Child; exit: Exit }>;
  /** Stops the agent, then the ground, each within its grace; true when both ended cleanly (exit 0). */
  stop(): Promise<boolean>;
  /** Ends both at once. */
  kill(): void;
};

/**
 * Starts ground and agent as two processes on `data` and returns when both are ready. On any failure what
 * was started is stopped again.
 * @throws AlreadyRunning; Error with the child's last lines when one does not become ready
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const data = resolve(options.data);
  const programs = options.programs ?? SOURCES;
  const lock = await takeLock(join(data, "start.lock"));
  if (!lock) throw new AlreadyRunning(alreadyRunning(data));
  const children: Child[] = [];
  try {
    await endLeftovers(data, programs);
    const prepared = await prepareData({ data, user: options.user, password: options.password });
    options.onPrepared?.(prepared);
    const env = childEnvironment(options, data);

    const ground = await Child.start("ground", [programs.ground], env, (line) =>
      options.onLine("ground", line),
    );
    children.push(ground);
    recordPids(data, children);
    const { url, port, listeners } = await within(ground.ready, "the ground", options.signal);
    const address = typeof url === "string" ? url : `http://${options.host}:${port ?? options.port}`;

    const agentEnv = {
      PERIGEE_INSTANCE_ADDRESSES: INSTANCES,
      PERIGEE_INSTANCE_CLOSED_PORTS: portsEverywhere(options.host, [
        address,
        ...Object.values(listeners ?? {}),
      ]),
      ...env,
      PERIGEE_GROUND: (await options.through?.(address)) ?? address,
      PERIGEE_AGENT_TOKEN_FILE: prepared.tokenFile,
      PERIGEE_AGENT_DATA: prepared.agentData,
    };
    const agent = await Child.start(
      "agent",
      [programs.agent],
      agentEnv,
      (line) => options.onLine("agent", line),
      options.agentBehind,
    );
    children.push(agent);
    recordPids(data, children);
    await within(agent.ready, "the agent", options.signal);

    let stopping: Promise<boolean> | undefined;
    return {
      url: address,
      listeners: (listeners ?? {}) as Record<string, string>,
      ground,
      agent,
      prepared,
      died: new Promise((died) => {
        for (const child of children) void child.exited.then((exit) => !stopping && died({ child, exit }));
      }),
      stop: () => {
        stopping ??= stopAll(data, lock, children);
        return stopping;
      },
      kill: () => {
        for (const child of children) child.kill();
      },
    };
  } catch (error) {
    await stopAll(data, lock, children);
    throw error;
  }
}

/**
 * Those of the ground's ports at which it listens on all addresses, also the instances': it is to find them free when it
 * starts again.
 */
function portsEverywhere(host: string, addresses: readonly string[]): string {
  const everywhere = host === "0.0.0.0" || host === "::";
  const portOf = ({ port, protocol }: URL) => port || (protocol === "https:" ? "443" : "80");
  return everywhere ? addresses.map((one) => portOf(new URL(one))).join(",") : "";
}

/** The environment both children get: ours, without the first user's secrets. */
function childEnvironment(options: StackOptions, data: string): NodeJS.ProcessEnv {
  const { PERIGEE_USER: _, PERIGEE_PASSWORD: __, ...inherited } = process.env;
  return {
    ...inherited,
    ...(options.dockerHost && { DOCKER_HOST: options.dockerHost }),
    PERIGEE_DATA: data,
    PERIGEE_HOST: options.host,
    PERIGEE_PORT: String(options.port),
    ...options.env,
  };
}

async function stopAll(data: string, lock: FileLock, children: Child[]): Promise<boolean> {
  let clean = true;
  for (const child of children.toReversed()) {
    const exit = await child.stop(child.name === "agent" ? AGENT_GRACE_MS : GROUND_GRACE_MS);
    clean &&= exit.code === 0;
  }
  rmSync(pidsFile(data), { force: true });
  lock.release();
  return clean;
}

async function within<T>(ready: Promise<T>, what: string, signal: AbortSignal | undefined): Promise<T> {
  const timeout = AbortSignal.timeout(READY_MS);
  const either = signal ? AbortSignal.any([signal, timeout]) : timeout;
  either.throwIfAborted();
  const given = Promise.withResolvers<never>();
  const giveUp = () =>
    given.reject(
      timeout.aborted ? new Error(`${what} was not ready within ${READY_MS / 1000} s`) : either.reason,
    );
  either.addEventListener("abort", giveUp, { once: true });
  try {
    return await Promise.race([ready, given.promise]);
  } finally {
    either.removeEventListener("abort", giveUp);
  }
}

const pidsFile = (data: string) => join(data, "start.json");

function recordPids(data: string, children: Child[]): void {
  writeFileSync(
    pidsFile(data),
    JSON.stringify({ start: process.pid, children: children.map((child) => child.pid) }),
  );
}

function readPids(data: string): { start?: number; children: number[] } {
  try {
    return JSON.parse(readFileSync(pidsFile(data), "utf8"));
  } catch {
    return { children: [] };
  }
}

/** Children of a start that was killed: we hold the lock, so nobody looks after them any more. */
async function endLeftovers(data: string, programs: typeof SOURCES): Promise<void> {
  for (const pid of readPids(data).children.toReversed()) {
    const command = commandLine(pid);
    const ours = command.includes(programs.ground) || command.includes(programs.agent);
    if (isAlive(pid) && ours && environmentOf(pid, "PERIGEE_DATA") === data)
      await endProcess(pid, AGENT_GRACE_MS);
  }
}

function alreadyRunning(data: string): string {
  const { start } = readPids(data);
  return `Perigee is already running on ${data}${start ? ` (process ${start})` : ""}. Stop it first, or set PERIGEE_DATA to another directory.`;
}
