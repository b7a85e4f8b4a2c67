import { setTimeout as sleep } from "node:timers/promises";

/** A command that cannot be executed, since it is a directory in every container: the runtime refuses it and starts nothing. */
export const NO_PROGRAM = "/";
/** What a runtime says of {@link NO_PROGRAM} in a container that runs, in words or as shells do. */
const REFUSED = /exec: "\/"|file `\/`|^exit code (126|127|255)/;
/** What an API server and a node say of a pod whose container does not run (yet, or any more). */
export const NOT_RUNNING =
  /container not found|not found in pod|cannot exec (in|into) a (stopped|deleted)|does not have a host assigned|current phase is|is not running|not yet running/i;
/** Longest wait for a word that is clear. */
const DEATH_MS = 15_000;
const AGAIN_MS = 250;

/**
 * Was a program killed because its container died? The exit code is the same as that of a program killed alone, and the
 * API server learns of the container's end later; the node knows it at once, and refuses to execute anything there.
 * @param isRunning what the API server says of the container
 * @param probe what the node says of {@link NO_PROGRAM}
 * @param gone aborted when the session has ended and the answer is not needed
 * @param deathMs ms for which neither may say it clearly: then the container is taken to live
 */
export async function hasDied(
  isRunning: () => Promise<boolean>,
  probe: () => Promise<string>,
  gone: AbortSignal,
  deathMs = DEATH_MS,
): Promise<boolean> {
  const until = performance.now() + deathMs;
  for (;;) {
    if (!(await isRunning())) return true;
    const told = await probe();
    if (NOT_RUNNING.test(told)) return true;
    if (REFUSED.test(told) || gone.aborted || performance.now() > until) return false;
    await sleep(AGAIN_MS);
  }
}
