import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { data } from "../api/client.ts";
import { chosenEdge } from "../api/session.ts";
import type { Holding } from "../api/types.ts";
import { edge } from "./live.ts";
import { idle, pause } from "./pause.ts";

/** What other APIs than the EM's made on the edge, newest first. */
export const holdings = signal<readonly Holding[]>([]);
/** There are more than those. */
export const holdingsTruncated = signal(false);

export const EVERY_MS = 30_000;
/** Where they are beside the matter. */
export const SELDOM_MS = 60_000;
/** An answer that has not come after this long (ms) is given up. */
const ANSWER_MS = 8000;

/** Keeps `holdings` as the ground has them while a screen that shows them is in sight. */
export function useHoldings(everyMs = EVERY_MS): void {
  const of = chosenEdge.value;
  // the edge itself goes first
  const isKnown = edge.value !== undefined;
  useEffect(() => (isKnown ? followHoldings(everyMs) : undefined), [of, everyMs, isKnown]);
}

/** Looks again and again, one look at a time. @returns what ends it */
export function followHoldings(everyMs: number): () => void {
  const gone = new AbortController();
  const follow = async () => {
    // they are beside the matter: the first picture goes before
    await idle();
    while (!gone.signal.aborted) {
      // what was known stays when the ground does not answer: the page says that it does not
      if (!document.hidden) await look(gone.signal).catch(() => {});
      await pause(everyMs, gone.signal);
    }
  };
  void follow();
  return () => gone.abort();
}

async function look(gone: AbortSignal): Promise<void> {
  const signal = AbortSignal.any([gone, AbortSignal.timeout(ANSWER_MS)]);
  const told = await data<{ items: Holding[]; truncated: boolean }>("/edge/holdings", { signal });
  if (gone.aborted) return;
  holdings.value = told.items;
  holdingsTruncated.value = told.truncated;
}

/** Of another user or edge nothing is known. */
export function forgetHoldings(): void {
  holdings.value = [];
  holdingsTruncated.value = false;
}
