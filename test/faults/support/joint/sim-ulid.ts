import { monotonicFactory } from "ulid";
import { SimProcess } from "./sim-process.ts";

type Make = (now: number) => string;

const others: Make = monotonicFactory();
const ofProcess = new WeakMap<SimProcess, Make>();

/**
 * For lambdas/ledger/ulid.ts, whose ids never run backwards in this process: each life of a simulated ground makes its own, by its own clock and chance, so that no history has the ids of the one before it.
 */
export function simulatedUlid(now: number): string {
  const process = SimProcess.current;
  if (!process) return others(now);
  const make = ofProcess.get(process) ?? monotonicFactory(() => Math.random());
  ofProcess.set(process, make);
  return make(now);
}
