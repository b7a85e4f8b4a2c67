import type { Logger } from "pino";
import { PerigeeError } from "#protocol/errors.ts";
import { Backoff } from "../backoff.ts";

export type HeldDeps = {
  /** images for FPGAs that are here, by user */
  held(): { user: string; images: string[] }[];
  send(held: { user: string; images: string[] }[]): Promise<void>;
  log: Logger;
};

/** After so many the agent starts without having told it: commands must not wait for this. */
const TRIES = 3;

/**
 * Tells the ground what the edge holds, once, before any command is taken: nothing is stored meanwhile, so that what is
 * not in the list is really not here. Never throws.
 */
export async function tellHeld({ held, send, log }: HeldDeps, signal: AbortSignal): Promise<void> {
  const backoff = new Backoff();
  while (!signal.aborted) {
    try {
      await send(held());
      return;
    } catch (err) {
      if (err instanceof PerigeeError && err.code === "NOT_FOUND") return;
      log.warn({ err }, "the ground was not told which FPGA images are here");
      if (backoff.tries + 1 >= TRIES) return;
      await backoff.wait(signal);
    }
  }
}
