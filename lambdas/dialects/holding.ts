/**
 * Something that a user has on an edge through a dialect, for lists that show what every API made. It is there to be
 * seen: what can be done with it is the dialect's own business.
 */
export type Holding = {
  kind: "image" | "fpga-image" | "instance" | "job" | "runner" | "volume";
  /** as the dialect's clients name it */
  name: string;
  /** ms since 1970 */
  created: number;
  bytes?: number;
  /** how it stands, in the dialect's own word */
  state?: string;
  /** what that word means */
  phase?: "waits" | "runs" | "ready" | "ended" | "failed";
  /** what it is made of, as the dialect's clients name that */
  image?: string;
  /** the name by which the edge, and so `GET /edge`, knows it: of a pod or a volume */
  known?: string;
  /** the command that it is, or is run by */
  command?: string;
};

/** `more`: there are more than these. */
export type Holdings = { items: Holding[]; more?: boolean };

/** Whose holdings are asked for: of the account with that uid, and none of an earlier user's of that name. */
export type HoldingsOf = { user: string; uid: string; edge: string; createdAt: number };
