import type { DialectContext } from "../dialect.ts";

/** Aborts when the client's connection closes before its answer was sent. */
export function goneSignal(c: DialectContext): AbortSignal {
  const controller = new AbortController();
  const outgoing = c.env?.outgoing;
  outgoing?.once("close", () => controller.abort());
  if (outgoing?.destroyed) controller.abort();
  return controller.signal;
}
