import { KiB } from "#protocol/limits.ts";
import type { ContainerExec, RawExec } from "../container-exec.ts";
import { type ExecSpec, type OutputPiece, SessionFailure } from "../pod-sessions.ts";
import { asTerminal } from "./as-terminal.ts";
import type { Control } from "./control.ts";
import { ControlledExecution, KILLED } from "./execution.ts";
import { NO_CONTROL } from "./helper-texts.ts";
import { Merged } from "./merged.ts";
import { programWords } from "./program-words.ts";

/** Output that may come before a program is known to run; no more of it is read until then. */
const FIRST_BYTES = 256 * KiB;
/** What a piece holds beside its bytes. */
const OVERHEAD = 64;

/** Its control had ended before the program, of which nothing has begun: it may be started beside another. */
export class ControlLost extends Error {
  override readonly name = "ControlLost";
}

/** ms in which one of both streams tells what became of the program when the other has ended first. */
const LAST_WORD_MS = 10_000;

/** Starts a program beside its control; done when it runs. @throws SessionFailure, ControlLost */
export async function startProgram(
  engine: ContainerExec,
  run: string,
  spec: ExecSpec,
  {
    control,
    signal,
    unset,
    leftOpenMs,
  }: {
    control: Control;
    signal: AbortSignal;
    unset: readonly string[];
    leftOpenMs?: number | undefined;
  },
): Promise<ControlledExecution> {
  const argv = programWords(spec, { control: control.pid, unset });
  const program = await engine.start(run, { argv, as: spec.as, terminal: !!spec.terminal }, signal);
  const merged = new Merged<"program" | "control", OutputPiece>();
  const letGo = () => {
    merged.close();
    program.cut();
    control.exec.cut();
  };
  signal.addEventListener("abort", letGo, { once: true });
  try {
    signal.throwIfAborted();
    if (spec.terminal?.size) await program.resize(spec.terminal.size).catch(() => undefined);
    merged.add("program", program.output);
    merged.add("control", { [Symbol.asyncIterator]: () => control.output });
    const { pid, first, code } = await running(merged, { program, control, spec, signal });
    return new ControlledExecution({
      ...{ program, control, merged, pid, first, code },
      terminal: spec.terminal?.stderr,
      ...(leftOpenMs !== undefined && { leftOpenMs }),
    });
  } catch (error) {
    letGo();
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", letGo);
  }
}

async function running(
  merged: Merged<"program" | "control", OutputPiece>,
  {
    program,
    control,
    spec,
    signal,
  }: {
    program: RawExec;
    control: Control;
    spec: ExecSpec;
    signal: AbortSignal;
  },
): Promise<{ pid: number; first: OutputPiece[]; code: number | undefined }> {
  const first: OutputPiece[] = [];
  let bytes = 0;
  /** whose stream has ended */
  let ended: "program" | "control" | undefined;
  for (;;) {
    const open = ended === "program" ? "control" : "program";
    const given = await merged.take(
      ended ? { from: open, ms: LAST_WORD_MS } : bytes < FIRST_BYTES ? {} : { from: "control" },
    );
    signal.throwIfAborted();
    if (given === "late") throw untold();
    if (given.value === undefined) {
      if (given.from === "program") {
        if (given.error !== undefined) throw given.error;
        // says why it was not started, where the engine knows
        const code = await program.exit();
        if (code === NO_CONTROL && bytes === 0) throw new ControlLost("the control was not found");
      }
      if (ended) throw untold();
      // what the other has to say comes by another stream, which may be later
      ended = given.from;
      continue;
    }
    if (ended === "control" && bytes >= FIRST_BYTES) throw untold();
    if (given.from === "program" || given.value.stream === "stderr") {
      bytes += given.value.data.length + OVERHEAD;
      first.push(given.from === "control" ? asTerminal(given.value) : given.value);
      continue;
    }
    const lines = control.lines.push(given.value.data);
    const failed = lines.find(({ is }) => is === "fail");
    if (failed?.is === "fail") throw cannotStart(failed.what, spec);
    const run = lines.find(({ is }) => is === "run");
    const exit = lines.find(({ is }) => is === "exit");
    if (spec.terminal?.stderr === "apart" && lines.some(({ is }) => is === "killed")) first.push(KILLED);
    if (run?.is === "run") {
      return { pid: run.number, first, code: exit?.is === "exit" ? exit.number & 255 : undefined };
    }
    // it could not become its user, for one
    if (exit?.is === "exit") {
      const said = Buffer.concat(first.map(({ data }) => data))
        .toString()
        .trim()
        .slice(0, 500);
      throw new SessionFailure("CANNOT_START", said || `the container's shell ended with ${exit.number}`);
    }
  }
}

/** It may have run: it is not started again. */
function untold(): SessionFailure {
  return new SessionFailure("ENGINE", "what became of the program was not told");
}

function cannotStart(what: "home" | "directory" | "program", spec: ExecSpec): SessionFailure {
  const [program = ""] = spec.argv;
  const shown = (text = "") => JSON.stringify(text.slice(0, 200));
  if (what === "program") {
    return new SessionFailure("CANNOT_START", `${shown(program)} is not there or cannot be executed`);
  }
  const directory = what === "home" ? spec.defaultWorkdir : spec.cwd;
  return new SessionFailure("CANNOT_START", `the working directory ${shown(directory)} cannot be entered`);
}
