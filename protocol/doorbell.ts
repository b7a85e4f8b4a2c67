/** The listening end of the doorbell, one per edge. A ring while nobody listens is kept (one is enough) for the next wait. */
export interface DoorbellListener {
  /** True when rung, false after `ms` or when `signal` aborts. Never throws. */
  wait(ms: number, signal?: AbortSignal): Promise<boolean>;
}

/** Longest wait of one long poll, in seconds: what SQS allows, and under the idle limits of common proxies. */
export const DOORBELL_WAIT_S = 20;

/** Header of a ring: a cursor that the next poll gives back as `after`, to say that it arrived. */
export const DOORBELL_CURSOR = "Perigee-Ring";
