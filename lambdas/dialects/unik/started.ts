import type { KnownRun } from "../../ledger/runs.ts";
import type { DialectCore } from "../core.ts";
import type { Owner } from "./owner.ts";

/** ms for which a call waits until an instance has started. */
const START_MS = 30_000;
/** ms that an end may take to be told after the call that ended it */
const END_MS = 15_000;

/**
 * Each pause (ms) is an eighth of the time waited so far, within these bounds: what another process records is seen at most
 * that much late, and what this one does at once.
 */
const PAUSE = { least: 20, most: 250, part: 1 / 8 };

/** The run of a pod once `is` says so of it; as it then is when it does not in time. */
async function until(
  { runs }: Pick<DialectCore, "runs">,
  { user, edge, pod, run }: Owner & { pod: string; run: string },
  is: (run: KnownRun) => boolean,
  ms: number,
): Promise<KnownRun | undefined> {
  const begin = performance.now();
  for (;;) {
    // before looking: what is recorded meanwhile is seen in the next round
    const next = runs.next({ edge, user, pod });
    let timer: NodeJS.Timeout | undefined;
    try {
      const found = (await runs.find({ edge, user, pod })).find((one) => one.run === run);
      const waited = performance.now() - begin;
      if ((found && is(found)) || waited >= ms) return found;
      // after looking: a table that answers slowly is not asked without a pause
      timer = setTimeout(next.cancel, Math.min(PAUSE.most, Math.max(PAUSE.least, waited * PAUSE.part)));
      await next.promise;
    } finally {
      clearTimeout(timer);
      next.cancel();
    }
  }
}

/** Waits until a run has started or cannot. */
export function whenStarted(core: DialectCore, of: Owner & { pod: string; run: string }) {
  return until(core, of, ({ state }) => !("waiting" in state), START_MS);
}

/** Waits until it is told that a run has ended. */
export function whenEnded(core: DialectCore, of: Owner & { pod: string; run: string }) {
  return until(core, of, ({ state }) => "terminated" in state, END_MS);
}

/** Why a run never started; undefined when it has, or still may. */
export function whyNotStarted(run: KnownRun | undefined): string | undefined {
  if (!run || !("terminated" in run.state) || run.state.terminated.startedAt !== null) return undefined;
  const { reason, message } = run.state.terminated;
  return message ? `${reason}: ${message}` : reason;
}
