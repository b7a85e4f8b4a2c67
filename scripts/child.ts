import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** How a process ended. */
export type Exit = { code: number | null; signal: NodeJS.Signals | null };

const KEPT_LINES = 20;

/**
 * A process of ours that logs JSON lines and says `{"msg":"ready",…}` on stdout when it serves. It is in a
 * process group of its own, so that a Ctrl-C in the terminal reaches only us, who then stop things in order.
 */
export class Child {
  readonly name: string;
  readonly pid: number;
  /** The fields of the ready line; rejects when the process ends before it. */
  readonly ready: Promise<Record<string, unknown>>;
  readonly exited: Promise<Exit>;
  readonly #process: ChildProcess;
  readonly #last: string[] = [];

  private constructor(name: string, child: ChildProcess, pid: number, onLine: (line: string) => void) {
    this.name = name;
    this.pid = pid;
    this.#process = child;
    this.exited = new Promise((resolve) => {
      child.once("close", (code, signal) => resolve({ code, signal }));
    });
    this.ready = new Promise((resolve, reject) => {
      const heard = (line: string) => {
        this.#last.push(line);
        if (this.#last.length > KEPT_LINES) this.#last.shift();
        onLine(line);
        const record = parseRecord(line);
        if (record?.msg === "ready") resolve(record);
      };
      for (const stream of [child.stdout, child.stderr]) {
        if (stream) createInterface({ input: stream, crlfDelay: Infinity }).on("line", heard);
      }
      void this.exited.then((exit) => {
        reject(
          new Error(`${name} ended before it was ready (${describeExit(exit)}):\n${this.#last.join("\n")}`),
        );
      });
    });
    // Whoever waits for it hears of the failure; nobody need wait
    this.ready.catch(() => {});
  }

  /**
   * Starts `node ...args` with exactly the environment `env`. Secrets go in `env` or in files, never in `args`.
   * @param behind begin of the command line, of a program that becomes the one behind it
   */
  static async start(
    name: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv,
    onLine: (line: string) => void,
    behind: readonly string[] = [],
  ): Promise<Child> {
    const [program, ...argv] = [
      ...behind,
      process.execPath,
      "--disable-warning=ExperimentalWarning",
      ...args,
    ];
    const child = spawn(program!, argv, {
      env,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", reject);
    });
    return new Child(name, child, child.pid!, onLine);
  }

  /** SIGTERM, and SIGKILL after `graceMs`; returns how it ended. Harmless when it has ended already. */
  async stop(graceMs: number): Promise<Exit> {
    this.#process.kill("SIGTERM");
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), graceMs);
    try {
      return await this.exited;
    } finally {
      clearTimeout(timer);
    }
  }

  /** SIGKILL, now. */
  kill(): void {
    this.#process.kill("SIGKILL");
  }
}

/** "exit code 1", "signal SIGKILL". */
export function describeExit({ code, signal }: Exit): string {
  return signal ? `signal ${signal}` : `exit code ${code}`;
}

function parseRecord(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
