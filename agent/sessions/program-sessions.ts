import { LIMITS } from "#protocol/limits.ts";
import type { ActingUser, FileEntry, ListParameters, ReadParameters } from "#protocol/live.ts";
import { Serial } from "#protocol/serial.ts";
import type { ContainerExec } from "./container-exec.ts";
import { type Control, startControl } from "./exec/control.ts";
import { SpareControls } from "./exec/spare-controls.ts";
import { ControlLost, startProgram } from "./exec/start-program.ts";
import { changeFiles } from "./files/change-files.ts";
import { listFiles } from "./files/list-files.ts";
import { readFile } from "./files/read-file.ts";
import {
  type ExecSpec,
  type Execution,
  type PodSessions,
  SessionFailure,
  type SessionOptions,
} from "./pod-sessions.ts";

export type ProgramSessionsOptions = {
  features?: readonly ("exec" | "files")[];
  /** variables of the container that are not the image's: programs do not see them */
  unset?: readonly string[];
  /**
   * ms for which streams that a program's children hold are waited for after its end (default 500): as long as output
   * may be on its way from there to here
   */
  leftOpenMs?: number;
};

/** Sessions by programs in the container, on any engine that can start one. */
export class ProgramSessions implements PodSessions {
  readonly features: readonly ("exec" | "files")[];
  readonly #engine: ContainerExec;
  readonly #options: ProgramSessionsOptions;
  readonly #spares: SpareControls;
  readonly #turns = new Serial();

  constructor(engine: ContainerExec, options: ProgramSessionsOptions = {}) {
    this.#engine = engine;
    this.#options = options;
    this.features = options.features ?? ["exec", "files"];
    this.#spares = new SpareControls(engine);
  }

  prepare(run: string, as: ActingUser): Promise<void> {
    return this.#spares.prepare(run, as);
  }

  async exec(run: string, spec: ExecSpec, options: { signal: AbortSignal }): Promise<Execution> {
    refuseIllegal(spec);
    const { unset = [], leftOpenMs } = this.#options;
    const late = AbortSignal.timeout(LIMITS.liveStartMs);
    const signal = AbortSignal.any([options.signal, late]);
    const start = async (control: Control) => {
      const began = await startProgram(this.#engine, run, spec, { control, signal, unset, leftOpenMs });
      // the user's next one starts the sooner; not beside this one, which may be short
      if (spec.as !== "own") {
        const next = () => void this.#spares.prepare(run, spec.as);
        began.exit.then(next, next);
      }
      return began;
    };
    try {
      for (let spare = this.#spares.take(run, spec.as); spare; spare = this.#spares.take(run, spec.as)) {
        try {
          return await start(spare);
        } catch (error) {
          // it was killed while it waited
          if (!(error instanceof ControlLost)) throw error;
        }
      }
      return await start(await startControl(this.#engine, run, spec.as, signal));
    } catch (error) {
      options.signal.throwIfAborted();
      if (late.aborted)
        throw new SessionFailure("ENGINE", "the program did not start in time", { cause: error });
      if (error instanceof ControlLost) {
        throw new SessionFailure("CANNOT_START", "the program's helper was ended", { cause: error });
      }
      throw error;
    }
  }

  list(run: string, what: ListParameters, options: SessionOptions): AsyncIterable<FileEntry> {
    return listFiles(this.#engine, run, what, options);
  }

  read(run: string, what: ReadParameters, options: SessionOptions) {
    return readFile(this.#engine, run, what, options);
  }

  change(
    run: string,
    what: { remove: readonly string[]; tar: AsyncIterable<Uint8Array> },
    options: SessionOptions,
  ): Promise<void> {
    return this.#turns.run(run, () => changeFiles(this.#engine, run, what, options));
  }

  async close(): Promise<void> {
    this.#spares.close();
    this.#engine.close();
  }
}

/** A NUL ends a word of a program; a variable's name has no `=`. */
function refuseIllegal({ argv, env, cwd = "", defaultWorkdir = "" }: ExecSpec): void {
  if (argv.length === 0 || argv[0] === "") throw new SessionFailure("CANNOT_START", "there is no program");
  const names = Object.keys(env);
  if ([...argv, ...names, ...Object.values(env), cwd, defaultWorkdir].some((word) => word.includes("\0"))) {
    throw new SessionFailure("CANNOT_START", "a word with a NUL cannot be handed to a program");
  }
  if (names.some((name) => name === "" || name.includes("="))) {
    throw new SessionFailure("CANNOT_START", "a variable's name is not empty and has no =");
  }
}
