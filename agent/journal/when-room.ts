import type { Logger } from "pino";
import { Backoff } from "../backoff.ts";
import { ShuttingDown } from "../operation.ts";
import { isDiskFull } from "./state-database.ts";

type Of = {
  log: Logger;
  command: { readonly id: string };
  /** ends the waiting only when the agent stops */
  signal: AbortSignal;
};

/**
 * Does what writes to the agent's database, and does it again until the disk has room for it.
 * @throws ShuttingDown; what `write` throws of anything but a full disk
 */
export async function whenRoom<T>(write: () => T | Promise<T>, { log, command, signal }: Of): Promise<T> {
  const backoff = new Backoff();
  for (;;) {
    try {
      return await write();
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      if (signal.reason instanceof ShuttingDown) throw signal.reason;
      if (backoff.tries === 0)
        log.error({ err: error, command: command.id }, "no room for the journal: again");
      // a cancel does not make room
      const stopping = new AbortController();
      const stop = () => signal.reason instanceof ShuttingDown && stopping.abort();
      signal.addEventListener("abort", stop);
      await backoff.wait(stopping.signal);
      signal.removeEventListener("abort", stop);
    }
  }
}
