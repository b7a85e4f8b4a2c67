import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import {
  type ExecSpec,
  type Execution,
  type OutputPiece,
  type PodSessions,
  SessionFailure,
  type SessionOptions,
} from "#agent/sessions/pod-sessions.ts";

/** PodSessions on programs and files of this machine, in place of an engine's: no terminal, but its bytes are real. */
export class LocalSessions implements PodSessions {
  features: readonly ("exec" | "files")[] = ["exec", "files"];
  /** programs that were started, by what they run */
  readonly started: string[][] = [];
  /** signals that were sent */
  readonly signals: string[] = [];
  /** programs that have not ended */
  running = 0;
  #last: number | undefined;

  /** Bytes that the program that was started last has written so far. */
  written(): number {
    try {
      const io = readFileSync(`/proc/${this.#last}/io`, "utf8");
      return Number(/^wchar: (\d+)$/m.exec(io)?.[1]);
    } catch {
      return -1;
    }
  }

  /** called before a program is started */
  before: (() => Promise<void>) | undefined;
  /** called when a program has written something, before its session has it */
  wrote: (() => void) | undefined;

  async exec(_run: string, spec: ExecSpec): Promise<Execution> {
    await this.before?.();
    const [program = "", ...args] = spec.argv;
    this.started.push([...spec.argv]);
    const child = spawn(program, args, { env: { PATH: process.env.PATH, ...spec.env }, cwd: spec.cwd });
    const exited = new Promise<number>((resolve) => {
      child.once("close", (code, signal) => {
        this.running -= 1;
        resolve(
          signal === null
            ? (code ?? 0)
            : 128 + { SIGQUIT: 3, SIGTERM: 15, SIGKILL: 9, SIGHUP: 1, SIGINT: 2 }[signal as "SIGINT"],
        );
      });
    });
    try {
      await once(child, "spawn");
    } catch (error) {
      throw new SessionFailure("CANNOT_START", (error as Error).message);
    }
    this.running += 1;
    this.#last = child.pid;
    child.stdin.on("error", () => {});
    const { signals } = this;
    return {
      async write(data) {
        // as a terminal takes this key
        if (spec.terminal && data[0] === 0x1c) child.kill("SIGQUIT");
        else if (child.stdin.writable && !child.stdin.write(data)) {
          await Promise.race([once(child.stdin, "drain"), exited]);
        }
      },
      async endInput() {
        child.stdin.end();
      },
      output: outputOf(child.stdout, child.stderr, () => this.wrote?.()),
      async resize() {},
      async signal(signal) {
        signals.push(signal);
        child.kill(signal);
      },
      exit: exited,
      cut() {
        child.stdout.destroy();
        child.stderr.destroy();
        child.stdin.destroy();
      },
    };
  }

  async prepare(): Promise<void> {}
  async close(): Promise<void> {}

  async *list(_run: string, _what: object, _options: SessionOptions): AsyncGenerator<never> {
    yield* [];
  }

  /** what is read whatever the path */
  file: string | undefined;
  async read(_run: string, { path }: { path: string }) {
    const file = await open(this.file ?? path).catch(() => {
      throw new SessionFailure("FILE_UNREADABLE", "no such file");
    });
    const { size } = await file.stat();
    return { size, content: file.createReadStream() as AsyncIterable<Buffer> };
  }

  /** what was written last */
  tar: Buffer | undefined;
  async change(
    _run: string,
    { tar }: { tar: AsyncIterable<Uint8Array> },
    _options: SessionOptions,
  ): Promise<void> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of tar) chunks.push(chunk);
    this.tar = Buffer.concat(chunks);
  }
}

async function* outputOf(
  stdout: NodeJS.ReadableStream,
  stderr: NodeJS.ReadableStream,
  wrote: () => void,
): AsyncGenerator<OutputPiece> {
  const sources = [
    { stream: "stdout" as const, chunks: stdout[Symbol.asyncIterator]() },
    { stream: "stderr" as const, chunks: stderr[Symbol.asyncIterator]() },
  ];
  const next = (source: (typeof sources)[number]) =>
    source.chunks.next().then(
      (result) => ({ source, result }),
      () => ({ source, result: { done: true as const, value: undefined } }),
    );
  const waiting = new Map(sources.map((source) => [source, next(source)]));
  while (waiting.size > 0) {
    const { source, result } = await Promise.race(waiting.values());
    if (result.done) waiting.delete(source);
    else {
      wrote();
      yield { stream: source.stream, data: result.value as Buffer };
      waiting.set(source, next(source));
    }
  }
}
