import type { Logger } from "pino";
import { FEATURES } from "#protocol/older-agents.ts";
import { OPERATION_NAMES } from "#protocol/operations.ts";
import { VERSION } from "#protocol/version.ts";
import { Backoff } from "../backoff.ts";
import type { GroundSession } from "./ground-session.ts";

/** What this version can do beside its operations. */
const AGENT_FEATURES: readonly string[] = Object.values(FEATURES);

/**
 * Asks for an epoch until the ground gives one; false when `signal` aborts first.
 * @param features what this edge can do beside what its version can
 */
export async function startSession(
  session: GroundSession,
  journal: string,
  log: Logger,
  signal: AbortSignal,
  features: readonly string[] = [],
): Promise<boolean> {
  const backoff = new Backoff();
  while (!signal.aborted) {
    try {
      await session.start({
        journal,
        version: VERSION,
        operations: OPERATION_NAMES,
        features: [...AGENT_FEATURES, ...features],
      });
      return true;
    } catch (error) {
      if (backoff.tries === 0) log.warn({ err: error }, "waiting for the ground");
      await backoff.wait(signal);
    }
  }
  return false;
}
