/** The listening end of the doorbell, one per edge. A ring without a listener is kept for the next wait. */
export interface DoorbellListener {
  /** True when rung, false after `ms` or when `signal` aborts. Never throws. */
  wait(ms: number, signal?: AbortSignal): Promise<boolean>;
  /** Contact may be back: what outlives a wait is begun anew, and a pause ends. */
  again?(): void;
}

/** Longest wait of one long poll, in seconds: the maximum of SQS, and below the idle timeouts of common proxies. */
export const DOORBELL_WAIT_S = 20;

/** Header of a ring: a cursor that the next poll sends as `after` to acknowledge it. */
export const DOORBELL_CURSOR = "Perigee-Ring";
