import type { ActingUser } from "#protocol/live.ts";
import type { ContainerExec, RawExec } from "../container-exec.ts";
import { SessionFailure, type SignalName } from "../pod-sessions.ts";
import { ControlLines } from "./control-lines.ts";
import { CONTROL } from "./helper-texts.ts";

/** The control of one program, before or beside it; see {@link CONTROL}. */
export type Control = {
  /** in the container's name space of processes */
  pid: number;
  exec: RawExec;
  /** What it says, once its PID is known; one iterator for all. */
  output: AsyncIterator<{ stream: "stdout" | "stderr"; data: Buffer }>;
  lines: ControlLines;
};

/** Starts a control; done when its streams can be opened. @throws SessionFailure */
export async function startControl(
  engine: ContainerExec,
  run: string,
  as: ActingUser,
  signal: AbortSignal,
): Promise<Control> {
  const argv = ["/bin/sh", "-c", CONTROL];
  const exec = await engine.start(run, { argv, as, terminal: false }, signal);
  const cut = () => exec.cut();
  signal.addEventListener("abort", cut, { once: true });
  try {
    const output = exec.output[Symbol.asyncIterator]();
    const lines = new ControlLines();
    for (;;) {
      const { value, done } = await output.next();
      if (done) break;
      if (value.stream === "stderr") continue;
      const first = lines.push(value.data).find(({ is }) => is === "pid");
      if (first?.is === "pid") return { pid: first.number, exec, output, lines };
    }
    signal.throwIfAborted();
    // Says why, if the engine knows.
    const code = await exec.exit();
    throw new SessionFailure("CANNOT_START", `the container's shell ended with ${code}`);
  } catch (error) {
    exec.cut();
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", cut);
  }
}

/** Asks the control to signal a program, or its terminal's foreground group. */
export async function signalBy(
  control: Control,
  signal: SignalName,
  whom: "group" | "one",
  pid: number,
): Promise<void> {
  await control.exec.write(Buffer.from(`${signal.replace(/^SIG/, "")} ${whom} ${pid}\n`));
}
