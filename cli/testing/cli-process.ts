import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Ground, token } from "./ground.ts";

/** What users start. */
export const ENTRY = fileURLToPath(new URL("../../bin/perigee.mjs", import.meta.url));

export type Ended = { code: number | null; stdout: string; stderr: string };
export type Running = {
  child: ChildProcess;
  ended: Promise<Ended>;
  /** resolves when stdout or stderr has shown `text` */
  shows(text: string): Promise<void>;
};

/** A directory, a ground that plays the contract, and `perigee` as a real process between them. */
export class Stage {
  readonly ground: Ground;
  readonly dir: string;
  readonly #running = new Set<ChildProcess>();

  private constructor(ground: Ground, dir: string) {
    this.ground = ground;
    this.dir = dir;
  }

  static async open(): Promise<Stage> {
    return new Stage(await Ground.start(), await mkdtemp(join(tmpdir(), "perigee-cli-")));
  }

  get credentials(): string {
    return join(this.dir, "config", "perigee", "credentials.json");
  }

  /** Puts tokens where a log-in would have. */
  async logIn(access = token(600), refresh = "refresh-1"): Promise<void> {
    await mkdir(join(this.dir, "config", "perigee"), { recursive: true });
    const tokens = { [this.ground.url]: { username: "alice", access, refresh } };
    await writeFile(this.credentials, JSON.stringify(tokens));
  }

  start(
    args: string[],
    options: { input?: string; env?: Record<string, string>; stdin?: "pipe" } = {},
  ): Running {
    const child = spawn(process.execPath, [ENTRY, ...args], {
      cwd: this.dir,
      env: {
        PATH: process.env.PATH,
        HOME: this.dir,
        XDG_CONFIG_HOME: join(this.dir, "config"),
        PERIGEE_URL: this.ground.url,
        ...options.env,
      },
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#running.add(child);
    let stdout = "";
    let stderr = "";
    const watchers = new Set<() => void>();
    child.stdout.setEncoding("utf8").on("data", (text) => {
      stdout += text;
      for (const watch of watchers) watch();
    });
    child.stderr.setEncoding("utf8").on("data", (text) => {
      stderr += text;
      for (const watch of watchers) watch();
    });
    child.stdin.on("error", () => {});
    if (options.stdin !== "pipe") child.stdin.end(options.input ?? "");
    const ended = new Promise<Ended>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code) => {
        this.#running.delete(child);
        resolve({ code, stdout, stderr });
      });
    });
    const shows = (text: string) =>
      new Promise<void>((resolve, reject) => {
        const watch = () => {
          if (!stdout.includes(text) && !stderr.includes(text)) return;
          watchers.delete(watch);
          resolve();
        };
        watchers.add(watch);
        ended.then(() => reject(new Error(`ended without showing ${text}:\n${stdout}\n${stderr}`)), reject);
        watch();
      });
    return { child, ended, shows };
  }

  run(args: string[], options: { input?: string; env?: Record<string, string> } = {}): Promise<Ended> {
    return this.start(args, options).ended;
  }

  async close(): Promise<void> {
    for (const child of this.#running) child.kill("SIGKILL");
    await this.ground.stop();
    await rm(this.dir, { recursive: true, force: true });
  }
}
