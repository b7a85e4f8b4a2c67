import type { ActingUser, TerminalSize } from "#protocol/live.ts";
import type { OutputPiece } from "./pod-sessions.ts";

/** A program as an engine starts it: nothing in it is the user's but what `argv` hands on. */
export type RawSpec = {
  argv: readonly string[];
  as: ActingUser;
  /** stdin and stdout are a terminal, and all output is `stdout` */
  terminal: boolean;
};

/** A program that an engine runs in a container, its streams as the engine has them. */
export interface RawExec {
  /** Resolves when more may be written; what comes after the program's end is dropped. */
  write(data: Uint8Array): Promise<void>;
  /** @throws SessionFailure NO_END_OF_INPUT where the engine has none */
  endInput(): Promise<void>;
  /** To be read once; read no faster than it is consumed. Ends when the engine has closed the streams. */
  readonly output: AsyncIterable<OutputPiece>;
  resize(size: TerminalSize): Promise<void>;
  /** The program's exit code, asked for after `output` has ended. @throws SessionFailure */
  exit(): Promise<number>;
  /** Has the engine not noticed its end yet? That it cannot be asked is no error. Absent: it cannot tell. */
  runsOn?(): Promise<boolean>;
  /** Closes the streams; the program's input ends. */
  cut(): void;
}

/** Starts programs in containers: all that an engine has to know of live sessions. */
export interface ContainerExec {
  /**
   * Done when the engine has taken it; that it could not be started may be known only from `exit()`.
   * @throws SessionFailure
   */
  start(run: string, spec: RawSpec, signal: AbortSignal): Promise<RawExec>;
  close(): void;
}
