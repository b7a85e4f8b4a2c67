import type { LiveRequest, LiveTarget } from "#protocol/live.ts";
import type { LiveTargets, OpenTarget } from "../live/live-target.ts";
import { SessionFailure } from "../sessions/pod-sessions.ts";
import type { RunnerBook } from "./runner-book.ts";
import { WORKSPACE } from "./runner-spec.ts";

export type RunnerTargetsDeps = { book: RunnerBook; changed(): void; now: () => number };

/** Runners as sessions work in them. */
export class RunnerTargets implements LiveTargets {
  readonly #deps: RunnerTargetsDeps;
  /** executions by runner */
  readonly #open = new Map<string, number>();

  constructor(deps: RunnerTargetsDeps) {
    this.#deps = deps;
  }

  /**
   * Its inactivity starts again. One that is idle here was handed out, or nobody could name it: the ground's word of it
   * is on its way. One that is ending is opened too, as ended: its session is told why, and begins nothing.
   */
  open(user: string, target: LiveTarget, kind: LiveRequest["kind"]): OpenTarget {
    const { book, changed, now } = this.#deps;
    const record = "runner" in target ? book.get(target.runner) : undefined;
    if (!record || record.user !== user || record.state === "starting" || record.unheard) {
      throw new SessionFailure("GONE", "there is no such runner");
    }
    const { id } = record;
    if (record.state === "ending") return { run: id, ended: book.ended(record), release() {} };
    const runs = kind === "exec";
    book.worked(record, { state: "used", activeAt: now(), ...(runs && { busy: true }) });
    if (runs) this.#open.set(id, (this.#open.get(id) ?? 0) + 1);
    changed();
    let released = false;
    return {
      run: id,
      defaultWorkdir: WORKSPACE,
      ended: book.ended(record),
      endUnstoppable: async () => {
        book.end(record, "unstoppable");
        changed();
      },
      release: () => {
        if (released || !runs) return;
        released = true;
        const left = this.#open.get(id)! - 1;
        if (left > 0) this.#open.set(id, left);
        else {
          this.#open.delete(id);
          book.worked(record, { busy: false });
        }
      },
    };
  }
}
