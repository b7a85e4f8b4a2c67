import type { Logger } from "pino";
import { PerigeeError } from "#protocol/errors.ts";
import type { Backoff } from "../backoff.ts";
import { GroundUnavailable } from "../ground/ground-client.ts";
import type { GroundSession } from "../ground/ground-session.ts";

/** A newer agent serves the edge: this one must not go on. */
export class Superseded extends Error {
  override readonly name = "Superseded";
}

/**
 * Waits before a call to the ground that failed is made again.
 * @throws Superseded when the ledger has issued a newer epoch
 */
export async function waitOut(
  error: unknown,
  backoff: Backoff,
  { log, session }: { log: Logger; session: Pick<GroundSession, "ground"> },
  signal?: AbortSignal,
): Promise<void> {
  if (signal?.aborted) return;
  if (error instanceof PerigeeError && error.code === "STALE_EPOCH") {
    throw new Superseded("a newer agent serves this edge", { cause: error });
  }
  if (!(error instanceof GroundUnavailable)) log.error({ err: error }, "the ground refuses the agent");
  else if (backoff.tries === 0) log.warn({ err: error }, "no contact with the ground");
  await session.ground.link.pause(backoff, signal);
}
