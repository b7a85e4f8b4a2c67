export type { DoorbellListener } from "#protocol/doorbell.ts";

/**
 * Wakes the agent of an edge. It carries no truth: a lost ring costs time, a doubled one costs a claim.
 */
export interface Doorbell {
  /** Never throws: who rings goes on whatever happens to the bell. */
  ring(edge: string): Promise<void>;
}
