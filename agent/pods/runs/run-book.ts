import type { DatabaseSync } from "node:sqlite";
import { killPoint } from "#protocol/kill-point.ts";
import type { PodReport } from "#protocol/wire.ts";
import { type RunRecord, reportOf } from "./run-record.ts";
import { RunStore } from "./run-store.ts";

/** Thrown by {@link RunBook.save} once the book is closed: the next agent goes on from what was noted. */
export class BookClosed extends Error {
  override readonly name = "BookClosed";
}

/**
 * All runs that the agent knows: durable in the store, in memory for the planner, and told to whoever listens. The
 * pod manager, the loop and the executor stand on it; a record changes only by {@link RunBook.save}.
 */
export class RunBook {
  /** runs that may have changed in the engine, to be compared with it */
  readonly suspects = new Set<string>();
  readonly #store: RunStore;
  /** in order of acceptance */
  readonly #records = new Map<string, RunRecord>();
  readonly #listeners = new Set<(report: PodReport) => void>();
  /** called after every change of a record */
  readonly #watchers = new Set<() => void>();
  /** the last report of each run, as text */
  readonly #told = new Map<string, string>();
  #closed = false;

  constructor(db: DatabaseSync) {
    this.#store = new RunStore(db);
    for (const record of this.#store.load()) this.#records.set(record.run, record);
  }

  get closed(): boolean {
    return this.#closed;
  }

  get(run: string): RunRecord | undefined {
    return this.#records.get(run);
  }

  /** Every record in order of acceptance. */
  all(): RunRecord[] {
    return [...this.#records.values()];
  }

  /** Runs of a user's pod, oldest first. */
  ofPod(user: string, pod: string): RunRecord[] {
    return this.all().filter((record) => record.user === user && record.pod === pod);
  }

  /** Does a run that has not ended match? */
  someOpen(matches: (record: RunRecord) => boolean): boolean {
    return this.all().some((record) => record.phase !== "ended" && matches(record));
  }

  /** Records a new run: durable when it returns, or with its next record where its command would add it again. */
  add(record: Omit<RunRecord, "n">): RunRecord {
    const added = this.#store.insert(record, { soon: record.kept === true });
    killPoint("pods.recorded");
    this.#records.set(added.run, added);
    this.#tell(added);
    return added;
  }

  /** Makes the record durable as it is now, and tells of it. @throws BookClosed */
  save(record: RunRecord): void {
    this.#note(record, { soon: false });
  }

  /**
   * As {@link RunBook.save}, but does not wait for the disk: for what the engine tells again, should a power cut lose it
   * before the next durable write.
   * @throws BookClosed
   */
  saveSoon(record: RunRecord): void {
    this.#note(record, { soon: true });
  }

  #note(record: RunRecord, how: { soon: boolean }): void {
    this.assertOpen();
    this.#store.update(record, how);
    this.#tell(record);
    this.#wake();
  }

  /** @throws BookClosed */
  assertOpen(): void {
    if (this.#closed) throw new BookClosed();
  }

  /** Nothing refers to the run any more. */
  forget(run: string): void {
    this.#store.delete(run);
    this.#records.delete(run);
    this.#told.delete(run);
    this.suspects.delete(run);
    this.#wake();
  }

  /** Tells `listener` of every change that users can see. @returns a function that ends it */
  onChange(listener: (report: PodReport) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Waits until `done()`, asked after every change, or until `ms` are over (undefined: for ever).
   * @throws the reason of `signal`; Error when the book closes
   */
  until(done: () => boolean, ms: number | undefined, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => {
        clearTimeout(timer);
        this.#watchers.delete(look);
        signal?.removeEventListener("abort", abort);
        settle();
      };
      const look = () => {
        if (done()) end(resolve);
        else if (this.#closed) end(() => reject(new Error("the pod manager is closing")));
      };
      const abort = () => end(() => reject(signal?.reason));
      const timer = ms === undefined ? undefined : setTimeout(() => end(resolve), ms);
      this.#watchers.add(look);
      signal?.addEventListener("abort", abort);
      if (signal?.aborted) abort();
      else look();
    });
  }

  /** Nothing is saved any more, and whoever waits is told. */
  close(): void {
    this.#closed = true;
    this.#wake();
  }

  #tell(record: RunRecord): void {
    const report = reportOf(record);
    const text = JSON.stringify(report);
    if (this.#told.get(record.run) === text) return;
    this.#told.set(record.run, text);
    for (const listener of this.#listeners) listener(report);
  }

  #wake(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }
}
