import type { Item, Write } from "../ports/ledger-store.ts";
import type { EarlierEdgeState, EdgeState } from "./edge-state.ts";
import type { Lane } from "./lane.ts";

/** A lane as it was read: `rev` 0 when it has no record, then with the edge's state, which has to name it. */
export type LaneSeen = { lane: Lane; rev: number; state?: Item<EdgeState | EarlierEdgeState> | undefined };

/** What one attempt of a change wants to write beside the lane. */
export type Change<T> = {
  lane?: Lane | undefined;
  writes?: Write[];
  /** a dialect's, written in the same transaction where the store takes them, else left out (see {@link EndRecords}) */
  records?: EndRecords | undefined;
  value: T;
};

/** A dialect's own records of an end: what they are of, and who is told when they were left out. */
export type EndRecords = {
  writes: Write[];
  leftOut: (error: unknown) => void;
  /** the dialect failed to say what they are */
  failed?: unknown;
};

/** Which lane is changed, and how one attempt goes. `read` is what it needs beside the lane. */
export type LaneChange<T, R> = {
  edge: string;
  lane: string;
  /** asked for together with the lane: one round trip */
  read: () => Promise<R>;
  /** Decides only: it is called again when another change was faster. */
  attempt: (lane: Lane, read: R, tries: number) => Change<T> | Promise<Change<T>>;
  /** for the first attempt, in place of reading */
  seen?: LaneSeen;
  /**
   * What has an effect outside of the ledger: called once, after the first read and before the first attempt. It has
   * the lane's turn in this process, so it must not change the lane by itself.
   */
  prepare?: (lane: Lane, read: R) => Promise<void>;
  /**
   * It may share a transaction with others that wait, but for those of the same `apart`. Its attempt must not look for
   * the command of an entry that it finds in the lane: that may be written only by the same transaction.
   */
  together?: { apart?: string | undefined };
};
