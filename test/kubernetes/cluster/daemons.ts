import { spawn } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { systemEnvironment } from "../../../scripts/debian-packages.ts";
import { endProcess, environmentOf, isAlive, until } from "../../../scripts/processes.ts";

/** In the environment of all that a cluster starts, its children too: whose they are, whatever their ids become. */
const MARK = "PERIGEE_CLUSTER";
const END_MS = 5_000;

type Recorded = { argv: readonly string[]; pid: number };

/**
 * The processes of one cluster. They outlive whoever started them; they are known by the mark in their
 * environment and never by an id alone.
 */
export class Daemons {
  readonly #run: string;

  /** @param run directory of the cluster */
  constructor(run: string) {
    this.#run = run;
  }

  log(name: string): string {
    return join(this.#run, "log", `${name}.log`);
  }

  /** Starts `argv` in the background, its output appended to its log. */
  async start(name: string, argv: readonly string[]): Promise<void> {
    mkdirSync(join(this.#run, "log"), { recursive: true });
    const log = openSync(this.log(name), "a", 0o600);
    try {
      const child = spawn(argv[0]!, argv.slice(1), {
        env: { ...systemEnvironment(), [MARK]: this.#run },
        stdio: ["ignore", log, log],
        detached: true,
      });
      await new Promise<void>((resolve, reject) => {
        child.once("spawn", resolve);
        child.once("error", reject);
      });
      child.unref();
      writeFileSync(this.#file(name), JSON.stringify({ argv, pid: child.pid } satisfies Partial<Recorded>));
    } finally {
      closeSync(log);
    }
  }

  /** Starts one again as it was started before. @throws Error when it never was */
  async restart(name: string): Promise<void> {
    const recorded = this.#read(name);
    if (!recorded) throw new Error(`${name} was never started`);
    await this.start(name, recorded.argv);
  }

  /** SIGTERM, SIGKILL after five seconds, or SIGKILL at once. One that is not there is no error. */
  async stop(name: string, how: "gently" | "now" = "gently"): Promise<void> {
    const pid = this.pid(name);
    if (pid !== undefined) await endProcess(pid, how === "now" ? 0 : END_MS);
  }

  /** Its process id; undefined when it does not run. */
  pid(name: string): number | undefined {
    const pid = this.#read(name)?.pid;
    return pid !== undefined && this.#isOurs(pid) ? pid : undefined;
  }

  /** Ends everything that carries this cluster's mark, recorded or not. */
  async endAll(): Promise<void> {
    for (const pid of this.#all()) kill(pid);
    await until(() => this.#all().length === 0, END_MS);
  }

  #all(): number[] {
    const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
    return pids.map(Number).filter((pid) => pid !== process.pid && this.#isOurs(pid));
  }

  #isOurs(pid: number): boolean {
    return isAlive(pid) && environmentOf(pid, MARK) === this.#run;
  }

  #file(name: string): string {
    return join(this.#run, `${name}.daemon.json`);
  }

  #read(name: string): Recorded | undefined {
    if (!existsSync(this.#file(name))) return undefined;
    try {
      return JSON.parse(readFileSync(this.#file(name), "utf8"));
    } catch {
      return undefined;
    }
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it ended by itself
  }
}
