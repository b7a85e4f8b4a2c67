/**
 * Wakes the agent of an edge. It carries no truth: a lost ring costs time, a doubled one costs a claim.
 */
export interface Doorbell {
  /** Never throws: who rings goes on whatever happens to the bell. */
  ring(edge: string): Promise<void>;
}

/** The listening end, one per edge. A ring while nobody listens is kept (one is enough) for the next wait. */
export interface DoorbellListener {
  /** True when rung, false after `ms` or when `signal` aborts. */
  wait(ms: number, signal?: AbortSignal): Promise<boolean>;
}
