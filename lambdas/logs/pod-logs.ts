import type { Readable } from "node:stream";
import type { Staging } from "../ports/staging.ts";
import { compareKeys, joinKey } from "../ports/staging-key.ts";
import {
  type FollowLogOptions,
  type ReadLogOptions,
  type ReadRowsOptions,
  StoredLogs,
  type StoredLogsOptions,
  type StoredPage,
} from "./stored-logs.ts";

export type PodKey = { edge: string; user: string; pod: string };
/** `run`: the ULID of the pod/run command */
export type RunKey = PodKey & { run: string };

const RUNS_KEPT = 2;

/** The logs of pods, in staging: what the agent pushed, kept beyond the pod's end for the newest two runs. */
export class PodLogs {
  readonly #staging: Staging;
  readonly #logs: StoredLogs;

  constructor(staging: Staging, options: StoredLogsOptions = {}) {
    this.#staging = staging;
    this.#logs = new StoredLogs(staging, options);
  }

  /**
   * Adds the next chunk of a run's log. A `seq` that is not above the last one has landed before and changes
   * nothing. The first chunk of a run deletes the logs of all but the pod's newest two runs; a run older than
   * those is ignored.
   * @returns true when somebody reads the run's log as it comes, as far as this process knows
   * @throws PerigeeError BODY_TOO_LARGE over 256 KiB, STORAGE_FULL, INVALID_PATH
   */
  async append(chunk: RunKey & { seq: number; data: Uint8Array }): Promise<boolean> {
    await this.#logs.append({ within: podPrefix(chunk), name: joinKey(chunk.run), keep: RUNS_KEPT }, chunk);
    return this.#logs.followed(runPrefix(chunk));
  }

  /** Runs whose log is kept, newest first. */
  async runs(pod: PodKey): Promise<string[]> {
    return (await this.#staging.listNames(podPrefix(pod))).sort(compareKeys).reverse();
  }

  /** The log of a run as text (see {@link StoredLogs.read}). */
  read(run: RunKey, options: ReadLogOptions = {}): Readable {
    return this.#logs.read(runPrefix(run), options);
  }

  /** The log of a run and what arrives (see {@link StoredLogs.follow}). */
  follow(run: RunKey, options: FollowLogOptions): Readable {
    return this.#logs.follow(runPrefix(run), options);
  }

  /** It is told that a run has ended: whoever follows its log need not find out. */
  ended(run: RunKey): void {
    this.#logs.look(runPrefix(run));
  }

  /** Deletes the logs of all runs of a pod. */
  async remove(pod: PodKey): Promise<void> {
    await this.#staging.deletePrefix(podPrefix(pod));
  }

  /** Rows of a run's log after a cursor (see {@link StoredLogs.rows}). */
  rows(run: RunKey, options: ReadRowsOptions): Promise<StoredPage> {
    return this.#logs.rows(runPrefix(run), options);
  }
}

function podPrefix({ edge, user, pod }: PodKey): string {
  return `${joinKey("logs", edge, user, pod)}/`;
}

function runPrefix(key: RunKey): string {
  return `${podPrefix(key)}${joinKey(key.run)}/`;
}
