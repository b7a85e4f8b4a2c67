import { setTimeout as sleep } from "node:timers/promises";
import { doublingMs } from "#protocol/backoff.ts";
import { PerigeeError } from "#protocol/errors.ts";
import type { KnownRun, Runs } from "../ledger/runs.ts";

/** ms for which a run that has just begun is waited for: its edge tells of it after the command that began it. */
const BEGINS_MS = 10_000;
const LOOK_MS = { first: 100, most: 1_000 };

type Of = { edge: string; user: string; pod: string };

/** The pod's newest run; undefined: it was never run. */
export async function newestRun(runs: Pick<Runs, "find">, of: Of): Promise<KnownRun | undefined> {
  return (await runs.find(of))[0];
}

/**
 * The run, or a newer one of its pod, once it runs.
 * @throws POD_NOT_RUNNING with the reason for one that has ended, that waits for something, or that does not begin in time
 */
export async function runningRun(
  runs: Pick<Runs, "find">,
  of: Of,
  { run, waitMs = BEGINS_MS }: { run: KnownRun; waitMs?: number },
): Promise<KnownRun> {
  const until = performance.now() + waitMs;
  let newest = run;
  for (let looks = 0; !("running" in newest.state); looks++) {
    const reason = "waiting" in newest.state ? newest.state.waiting.reason : newest.state.terminated.reason;
    if (reason !== "ContainerCreating" || performance.now() >= until) {
      throw new PerigeeError("POD_NOT_RUNNING", `The pod ${of.pod} does not run (${reason})`);
    }
    await sleep(doublingMs(LOOK_MS.first, LOOK_MS.most, looks));
    newest = (await newestRun(runs, of)) ?? newest;
  }
  return newest;
}
