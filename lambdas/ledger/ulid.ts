import { monotonicFactory } from "ulid";

type Make = (now: number) => string;

const own: Make = monotonicFactory();
let make = own;

/** A new command id: sorts by time, and within one process never runs backwards. */
export const ulid: Make = (now) => make(now);

/** Where several processes are simulated in one: ids come from `other`, or again from this process's own without it. */
export function makeUlidsBy(other: Make = own): void {
  make = other;
}
