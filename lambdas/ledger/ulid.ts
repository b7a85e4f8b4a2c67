import { monotonicFactory } from "ulid";

/** A new command id: sorts by time, and within one process never runs backwards. */
export const ulid: (now: number) => string = monotonicFactory();
