import type { ActingUser, FileEntry, ListParameters, ReadParameters, TerminalSize } from "#protocol/live.ts";

/** What a program in a running container is to be. */
export type ExecSpec = {
  /** no shell is between: each word arrives as it is */
  argv: readonly string[];
  as: ActingUser;
  /** beside the container's own variables, applied after privileges were dropped */
  env: Readonly<Record<string, string>>;
  /** default: the image's working directory; `defaultWorkdir` where that is empty or `/` */
  cwd?: string;
  defaultWorkdir?: string;
  terminal?: { size?: TerminalSize; stderr: "apart" | "merged" };
};

export type SignalName = "SIGHUP" | "SIGTERM" | "SIGKILL" | "SIGINT" | "SIGQUIT";

export type OutputPiece = { stream: "stdout" | "stderr"; data: Buffer };

/** A program that runs in a container. Whoever holds it reads its output to the end, or calls {@link Execution.cut}. */
export interface Execution {
  /** Resolves when more may be written; drops what comes after the program's end. */
  write(data: Uint8Array): Promise<void>;
  /** End of input, without a terminal (with one it is the byte 0x04, which is the caller's). */
  endInput(): Promise<void>;
  /**
   * All output, in order within a stream; ends when the program has ended and all was read. Nothing is read ahead of
   * its consumer by more than 256 KiB: a program that nobody reads is held back. What a child left behind keeps open
   * is waited for 500 ms at most.
   */
  readonly output: AsyncIterable<OutputPiece>;
  resize(size: TerminalSize): Promise<void>;
  /**
   * To the terminal's foreground group (SIGHUP and SIGKILL to the program as well), without a terminal to the program.
   * One that has ended is no error.
   */
  signal(signal: SignalName): Promise<void>;
  /** Exit code, 128 + n for a signal; known after `output` has ended. @throws SessionFailure */
  readonly exit: Promise<number>;
  /** Lets go of it: streams are closed, nothing more is read. The program may run on. */
  cut(): void;
}

/** `code` is one of LiveFailure's that a runtime can tell: GONE, FILE_UNREADABLE, COPY_FAILED, CANNOT_START, ENGINE. */
export class SessionFailure extends Error {
  override readonly name = "SessionFailure";
  readonly code:
    | "GONE"
    | "FILE_UNREADABLE"
    | "COPY_FAILED"
    | "CANNOT_START"
    | "ENGINE"
    | "UNSUPPORTED"
    | "NO_END_OF_INPUT";
  constructor(code: SessionFailure["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** @param cause what told it, where something did */
export function notRunning(cause?: unknown): SessionFailure {
  return new SessionFailure("GONE", "the container does not run", { cause });
}

export type SessionOptions = { signal: AbortSignal; defaultWorkdir?: string };

/**
 * Works inside running containers, each named by its run as {@link PodRuntime} has it. Everything goes through a
 * program in the container's own name spaces, never through an engine's archive API, which does not see them.
 * Every method throws SessionFailure.
 */
export interface PodSessions {
  /** What this runtime can do here; reported as features of the edge. */
  readonly features: readonly ("exec" | "files")[];
  /** Makes ready what the next `exec` as that user needs beside its program, for a minute; that it cannot is no error. */
  prepare(run: string, as: ActingUser): Promise<void>;
  /**
   * Starts a program; done when it runs. The container needs `/bin/sh` and `env`.
   * `signal` ends the start; a program that runs is ended by {@link Execution.signal} and let go of by `cut`.
   *
   * @example Runs a program to its end.
   * const as = { user: "user" };
   * const program = await sessions.exec(run, { argv: ["ls", "-l"], as, env: {} }, { signal });
   * for await (const { stream, data } of program.output) process[stream].write(data);
   * const code = await program.exit;
   */
  exec(run: string, spec: ExecSpec, options: { signal: AbortSignal }): Promise<Execution>;
  /** Entries in the order in which they are shown; at most 1,000,000 and for 60 s: the list ends there. */
  list(run: string, what: ListParameters, options: SessionOptions): AsyncIterable<FileEntry>;
  /** A regular file, links followed: exactly `size` bytes, or an error when it has shrunk. */
  read(
    run: string,
    what: ReadParameters,
    options: SessionOptions,
  ): Promise<{ size: number; content: AsyncIterable<Buffer> }>;
  /**
   * As root: first removes (recursive and forced; `./*` alone is a glob; what is not there is no error), then unpacks
   * the tar as it comes. The other files land where one cannot. @throws SessionFailure COPY_FAILED with tar's words
   */
  change(
    run: string,
    what: { remove: readonly string[]; tar: AsyncIterable<Uint8Array> },
    options: SessionOptions,
  ): Promise<void>;
  /** Lets go of all that is open. */
  close(): Promise<void>;
}
