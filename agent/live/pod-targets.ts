import type { LiveTarget } from "#protocol/live.ts";
import type { PodManager } from "../pods/pod-manager.ts";
import type { RunRecord } from "../pods/runs/run-record.ts";
import { SessionFailure } from "../sessions/pod-sessions.ts";
import type { LiveTargets, OpenTarget, TargetEnd } from "./live-target.ts";

/** Finds the running pods of users for sessions. Runs of jobs cannot be entered. */
export class PodTargets implements LiveTargets {
  readonly #pods: Pick<PodManager, "run" | "until">;

  constructor(pods: Pick<PodManager, "run" | "until">) {
    this.#pods = pods;
  }

  open(user: string, target: LiveTarget): OpenTarget {
    const record = "run" in target ? this.#pods.run(target.run) : undefined;
    const own = record?.user === user && "pod" in target && record.pod === target.pod;
    if (!record || !own || record.kept !== undefined || record.phase !== "running" || isStopping(record)) {
      throw new SessionFailure("GONE", "the pod does not run");
    }
    const released = new AbortController();
    const ended = new AbortController();
    const tell = (now: Readonly<RunRecord> | undefined) => ended.abort(endOfRun(now));
    const over = (now: Readonly<RunRecord>) => now.phase === "ended" || isStopping(now);
    this.#pods.until(record.run, over, released.signal).then(tell, () => {
      // released, or the agent stops: then the session's socket ends too
    });
    return { run: record.run, ended: ended.signal, release: () => released.abort() };
  }
}

const isStopping = ({ stopAt }: Readonly<RunRecord>) => stopAt !== undefined;

function endOfRun(run: Readonly<RunRecord> | undefined): TargetEnd {
  const outOfMemory = run?.end?.reason === "OOMKilled";
  return {
    type: "error",
    code: outOfMemory ? "OOM_KILLED" : "STOPPED",
    message: outOfMemory ? "the pod was killed for its memory" : "the pod has stopped",
  };
}
