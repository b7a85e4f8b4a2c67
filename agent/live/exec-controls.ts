import type { TerminalSize } from "#protocol/live.ts";
import type { UserSignal } from "#protocol/live-control.ts";
import type { Execution } from "../sessions/pod-sessions.ts";

/** Signals that wait for one that is being given; further ones are dropped. */
const MOST_SIGNALS = 16;

/**
 * Gives a user's sizes and signals to a program, one at a time: each is a call of the engine or bytes to the program's
 * helper, and a user may send them without end. Of sizes the newest counts.
 */
export function controlsOf(
  execution: Pick<Execution, "resize" | "signal">,
): (control: { resize: TerminalSize } | { signal: UserSignal }) => void {
  let size: TerminalSize | undefined;
  let resizing = false;
  const resize = async () => {
    if (resizing) return;
    resizing = true;
    for (let next = size; next; next = size) {
      size = undefined;
      // a program that has just ended
      await execution.resize(next).catch(() => {});
    }
    resizing = false;
  };
  const signals: UserSignal[] = [];
  let signalling = false;
  const signal = async () => {
    if (signalling) return;
    signalling = true;
    for (let next = signals.shift(); next; next = signals.shift())
      await execution.signal(next).catch(() => {});
    signalling = false;
  };
  return (control) => {
    if ("resize" in control) {
      size = control.resize;
      void resize();
    } else if (signals.length < MOST_SIGNALS) {
      signals.push(control.signal);
      void signal();
    }
  };
}
