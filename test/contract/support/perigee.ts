import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Client } from "./client.ts";

const ENTRY = fileURLToPath(new URL("../../../bin/perigee.mjs", import.meta.url));

export type Ended = { code: number | null; stdout: Buffer; stderr: string };

/** The command `perigee`, logged in as a client, as a process of its own. */
export class Perigee {
  readonly #home = mkdtempSync(join(tmpdir(), "perigee-exec-"));
  readonly #env: NodeJS.ProcessEnv;

  constructor(client: Client) {
    const folder = join(this.#home, "config", "perigee");
    mkdirSync(folder, { recursive: true });
    const tokens = { [client.url]: { username: "u", access: client.token, refresh: "none" } };
    writeFileSync(join(folder, "credentials.json"), JSON.stringify(tokens), { mode: 0o600 });
    this.#env = {
      PATH: process.env.PATH,
      HOME: this.#home,
      XDG_CONFIG_HOME: join(this.#home, "config"),
      PERIGEE_URL: client.url,
      TERM: "xterm",
    };
  }

  start(args: readonly string[]): { child: ChildProcess; ended: Promise<Ended> } {
    return this.#spawn(process.execPath, [ENTRY, ...args]);
  }

  /** On a terminal of its own, whose stdout and stderr are one. */
  startOnTerminal(args: readonly string[]): { child: ChildProcess; ended: Promise<Ended> } {
    const quoted = [process.execPath, ENTRY, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`);
    return this.#spawn("script", ["-qec", quoted.join(" "), "/dev/null"]);
  }

  run(args: readonly string[], input: string | Uint8Array = ""): Promise<Ended> {
    const { child, ended } = this.start(args);
    child.stdin?.end(input);
    return ended;
  }

  close(): void {
    rmSync(this.#home, { recursive: true, force: true });
  }

  #spawn(program: string, args: readonly string[]) {
    const child = spawn(program, args, { env: this.#env, stdio: ["pipe", "pipe", "pipe"] });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on("data", (data: Buffer) => out.push(data));
    child.stderr.on("data", (data: Buffer) => err.push(data));
    child.stdin.on("error", () => {});
    const ended = new Promise<Ended>((resolve) => {
      child.once("close", (code) =>
        resolve({ code, stdout: Buffer.concat(out), stderr: Buffer.concat(err).toString() }),
      );
    });
    return { child, ended };
  }
}
