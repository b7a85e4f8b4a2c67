import type { ExecParameters, LiveTarget } from "#protocol/live.ts";

/** What a one-use ticket stands for. */
export type Ticket = {
  user: string;
  edge: string;
  target: LiveTarget;
  exec: ExecParameters;
  /** origin of the ground's page that asked for it, which may use it at a relay of another host too */
  page?: string;
  /** when it was made, ms since 1970; absent: by an earlier version */
  madeAt?: number;
};

/** One-use permits for an execution, in the ledger's store under their hash. Both Poseidon's execution ids and EM's live URLs. */
export interface LiveTickets {
  /** `most` unused tickets of one target: the oldest goes. @returns the ticket's text */
  create(
    ticket: Omit<Ticket, "madeAt">,
    options: {
      /** ms for which it is good */
      ttlMs: number;
      most: number;
      /** `uuid` (default: 32 random bytes, base64url) */
      form?: "uuid";
    },
  ): Promise<string>;
  /** Reads it without using it up; undefined: unknown, used, or expired. */
  look(text: string): Promise<Ticket | undefined>;
  /** Uses it up and forgets what it held: of two at once one gets it. */
  use(text: string): Promise<Ticket | undefined>;
}
