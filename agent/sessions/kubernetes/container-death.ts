import { setTimeout as sleep } from "node:timers/promises";

/** A directory everywhere: whoever is told to start it refuses, and nothing begins. */
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
 * Was it the death of its container that killed a program? Both are killed by one signal, and the API server hears of
 * the container's end some time later; its node knows it at once, and says so when it is to start something.
 * @param isRunning what the API server says of the container
 * @param probe what the node says of {@link NO_PROGRAM}
 * @param gone nobody waits for the answer any more
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
