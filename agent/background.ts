import type { Logger } from "pino";
import { Backoff } from "./backoff.ts";

type Log = Pick<Logger, "error" | "info">;

/** Every so many tries the log is told again. */
const TELL_TRIES = 60;

/** Begins what nobody waits for; that it failed is told in the log. */
export function later(what: string, log: Log, work: () => Promise<unknown>): void {
  (async () => work())().catch((error: unknown) => log.error({ err: error }, `${what} failed`));
}

/**
 * Starts a part that may have to wait for the engine or a registry, which may start after us: when the first try
 * fails, further ones follow beside everything else, until one succeeds.
 */
export async function startNowOrLater(
  what: string,
  start: () => Promise<void>,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  try {
    await start();
  } catch (error) {
    log.error({ err: error }, `${what} could not be started: tried again`);
    later(what, log, () => keepStarting(what, start, log, signal));
  }
}

async function keepStarting(
  what: string,
  start: () => Promise<void>,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  const backoff = new Backoff();
  while (!signal.aborted) {
    await backoff.wait(signal);
    if (signal.aborted) return;
    try {
      await start();
      log.info({ tries: backoff.tries }, `${what} has started`);
      return;
    } catch (error) {
      if (backoff.tries % TELL_TRIES === 0) {
        log.error({ err: error, tries: backoff.tries }, `${what} could not be started: tried again`);
      }
    }
  }
}
