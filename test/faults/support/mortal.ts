import { renameSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Child, type Exit } from "../../../scripts/child.ts";

/** A death that was ordered comes within this (ms), or its point was never reached. */
const DEATH_MS = 90_000;
const STOP_MS = 60_000;
const KEPT_LINES = 30;

/** A process of ours that can be told to die by SIGKILL at a kill point, and be started again. */
export class Mortal {
  readonly name: string;
  readonly #program: string;
  readonly #killFile: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #behind: readonly string[];
  readonly #log: string[] = [];
  #child: Child | undefined;

  /**
   * @param killFile path of the file that names the point to die at
   * @param behind begin of its command line (default: Node alone)
   */
  constructor(
    name: string,
    program: string,
    killFile: string,
    env: NodeJS.ProcessEnv,
    behind: readonly string[] = [],
  ) {
    this.name = name;
    this.#program = program;
    this.#killFile = killFile;
    this.#env = env;
    this.#behind = behind;
  }

  /** Starts it, or starts it again; it is ready when this returns. */
  async start(): Promise<void> {
    await this.launch();
    await this.#child!.ready;
  }

  /** The same, but it need not be ready: an agent without contact is not. */
  async launch(): Promise<void> {
    const env = {
      ...process.env,
      PERIGEE_LOG_LEVEL: "warn",
      ...this.#env,
      PERIGEE_KILL_AT: `@${this.#killFile}`,
    };
    const heard = (line: string) => {
      if (this.#log.push(line) > KEPT_LINES) this.#log.shift();
      if (process.env.PERIGEE_TEST_LOG) console.error(`${this.name} | ${line}`);
    };
    this.#child = await Child.start(this.name, [this.#program], env, heard, this.#behind);
  }

  /** Of the process that was started last. */
  get pid(): number {
    return this.#child!.pid;
  }

  /** Resolves when it has said so, in its latest lines, at least `times` times. */
  async said(pattern: RegExp, times = 1): Promise<void> {
    while (this.#log.filter((line) => pattern.test(line)).length < times) {
      await Promise.race([
        sleep(50),
        this.#child!.exited.then(() => Promise.reject(new Error("it has ended"))),
      ]);
    }
  }

  /** It dies when it next comes to `point`. */
  arm(point: string): void {
    writeFileSync(`${this.#killFile}.part`, point);
    renameSync(`${this.#killFile}.part`, this.#killFile);
  }

  /**
   * Waits for the death that {@link arm} ordered; it can be started again after.
   * @throws Error when it does not die, or of something else
   */
  async death(point: string): Promise<void> {
    const exit = await Promise.race([this.#child!.exited, sleep(DEATH_MS, undefined, { ref: false })]);
    rmSync(this.#killFile, { force: true });
    if (exit?.signal === "SIGKILL") return;
    throw new Error(
      `${this.name} did not die at ${point} (${JSON.stringify(exit ?? "it lives")})\n${this.#log.join("\n")}`,
    );
  }

  /** SIGKILL, from outside and at any step. */
  async kill(): Promise<void> {
    this.#child?.kill();
    await this.#child?.exited;
  }

  /** Ends it as an operator would. Harmless when it is dead. */
  async stop(): Promise<Exit | undefined> {
    rmSync(this.#killFile, { force: true });
    return this.#child?.stop(STOP_MS);
  }
}
