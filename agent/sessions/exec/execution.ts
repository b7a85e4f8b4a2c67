import { MiB } from "#protocol/limits.ts";
import type { TerminalSize } from "#protocol/live.ts";
import type { RawExec } from "../container-exec.ts";
import { type Execution, type OutputPiece, SessionFailure, type SignalName } from "../pod-sessions.ts";
import { asTerminal } from "./as-terminal.ts";
import { type Control, signalBy } from "./control.ts";
import type { Merged } from "./merged.ts";

/** ms for which the streams may stay open and silent after the program's end, where nothing else is said. */
const LEFT_OPEN_MS = 500;
/** The same, however much comes: a child may never stop. */
const LEFT_MOST_MS = 10_000;
/** The same while the control has not answered: what brings its word brings the program's output too, and is slow. */
const SLOW_MS = 30_000;
/** More than all buffers between a program and here hold: what comes after that is a child's, which never stops. */
const LEFT_BYTES = 8 * MiB;

/** What a shell says of a program that was killed, where the program is all that the shell became. */
export const KILLED: OutputPiece = { stream: "stderr", data: Buffer.from("Killed\r\n") };

type Told = "program" | "control";

/** A program that has started, its control beside it. */
export class ControlledExecution implements Execution {
  readonly exit: Promise<number>;
  readonly output: AsyncIterable<OutputPiece>;
  readonly #program: RawExec;
  readonly #control: Control;
  readonly #pid: number;
  readonly #terminal: "apart" | "merged" | undefined;
  readonly #leftOpenMs: number;
  readonly #merged: Merged<Told, OutputPiece>;
  readonly #ended = Promise.withResolvers<number>();
  #over = false;

  constructor(parts: {
    program: RawExec;
    control: Control;
    merged: Merged<Told, OutputPiece>;
    /** of the program, in its container */
    pid: number;
    terminal: "apart" | "merged" | undefined;
    /** output that came before it was known to run */
    first: OutputPiece[];
    /** it has ended already */
    code: number | undefined;
    /** ms for which the streams may stay open and silent after its end; time in which nobody reads does not count */
    leftOpenMs?: number;
  }) {
    this.#program = parts.program;
    this.#control = parts.control;
    this.#merged = parts.merged;
    this.#pid = parts.pid;
    this.#terminal = parts.terminal;
    this.#leftOpenMs = parts.leftOpenMs ?? LEFT_OPEN_MS;
    this.exit = this.#ended.promise;
    this.exit.catch(() => undefined);
    this.output = this.#read(parts.first, parts.code);
  }

  async write(data: Uint8Array): Promise<void> {
    if (!this.#over) await this.#program.write(data);
  }

  async endInput(): Promise<void> {
    if (this.#over) return;
    try {
      await this.#program.endInput();
    } catch (error) {
      // It would wait for ever.
      this.#ended.reject(error);
      this.#finish();
      throw error;
    }
  }

  async resize(size: TerminalSize): Promise<void> {
    if (!this.#over && this.#terminal) await this.#program.resize(size);
  }

  async signal(name: SignalName): Promise<void> {
    if (!this.#over) await signalBy(this.#control, name, this.#terminal ? "group" : "one", this.#pid);
  }

  cut(): void {
    this.#finish();
    this.#ended.reject(new SessionFailure("ENGINE", "the execution was let go of"));
  }

  async *#read(first: OutputPiece[], known: number | undefined): AsyncGenerator<OutputPiece> {
    let code = known;
    let failure: unknown;
    let [leftMs, leftBytes] = [LEFT_MOST_MS, LEFT_BYTES];
    let slowMs = SLOW_MS;
    let [ended, answered] = [false, false];
    try {
      yield* first;
      if (code !== undefined) this.#endControl();
      while (this.#merged.open > 0 && leftMs > 0 && slowMs > 0 && leftBytes > 0) {
        const closing = code !== undefined || ended;
        const before = performance.now();
        const given = await this.#merged.take(closing ? { ms: Math.min(leftMs, this.#leftOpenMs) } : {});
        if (closing && answered) leftMs -= performance.now() - before;
        else if (closing) slowMs -= performance.now() - before;
        if (given === "late") {
          // let go of, there is nothing to wait for
          if (this.#over) break;
          // an engine that has not noticed its end yet may still hold what it said
          const { runsOn } = this.#program;
          if (runsOn ? await runsOn() : !answered) continue;
          break;
        }
        if (given.value === undefined) {
          if (given.from === "program") {
            failure = given.error;
            ended = true;
            this.#endControl();
          } else answered = true;
          continue;
        }
        if (closing) leftBytes -= given.value.data.length;
        if (given.from === "program") yield given.value;
        else if (given.value.stream === "stderr") yield asTerminal(given.value);
        else {
          const lines = this.#control.lines.push(given.value.data);
          if (this.#terminal === "apart" && lines.some(({ is }) => is === "killed")) yield KILLED;
          if (lines.some(({ is }) => is === "end")) answered = true;
          const end = lines.find(({ is }) => is === "exit");
          if (end?.is !== "exit" || code !== undefined) continue;
          code = end.number & 255;
          this.#endControl();
        }
      }
      if (this.#over) throw new SessionFailure("ENGINE", "the execution was let go of");
      if (slowMs <= 0) throw new SessionFailure("ENGINE", "the end of the output did not come in time");
      if (code === undefined && failure !== undefined) throw failure;
      this.#ended.resolve(code ?? (await this.#program.exit()));
    } catch (error) {
      this.#ended.reject(error);
    } finally {
      this.#finish();
      this.#ended.reject(new SessionFailure("ENGINE", "the execution was let go of"));
    }
  }

  /** With it ends what it holds of the streams. */
  #endControl(): void {
    // a helper that was stopped takes nothing: the program's end does not wait for it
    this.#control.exec.write(Buffer.from("end\n")).catch(() => undefined);
  }

  #finish(): void {
    this.#over = true;
    this.#merged.close();
    this.#program.cut();
    this.#control.exec.cut();
  }
}
