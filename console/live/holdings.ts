import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { data } from "../api/client.ts";
import { chosenEdge } from "../api/session.ts";
import type { Holding } from "../api/types.ts";
import { edge } from "./live.ts";

/** What other APIs than the EM's made on the edge, newest first. */
export const holdings = signal<readonly Holding[]>([]);
/** There are more than those. */
export const holdingsTruncated = signal(false);

const EVERY_MS = 10_000;
/** Where they are beside the matter. */
export const SELDOM_MS = 60_000;

/** Keeps `holdings` as the ground has them while a screen that shows them is in sight. */
export function useHoldings(everyMs = EVERY_MS): void {
  const of = chosenEdge.value;
  // the edge itself goes first
  const isKnown = edge.value !== undefined;
  useEffect(() => {
    if (!isKnown) return undefined;
    const gone = new AbortController();
    const ask = async () => {
      if (document.hidden) return;
      const told = await data<{ items: Holding[]; truncated: boolean }>("/edge/holdings", {
        signal: gone.signal,
      });
      holdings.value = told.items;
      holdingsTruncated.value = told.truncated;
    };
    // what was known stays when the ground does not answer: the page says that it does not
    const look = () => void ask().catch(() => {});
    look();
    const timer = setInterval(look, everyMs);
    return () => {
      clearInterval(timer);
      gone.abort();
    };
  }, [of, everyMs, isKnown]);
}

/** Of another user or edge nothing is known. */
export function forgetHoldings(): void {
  holdings.value = [];
  holdingsTruncated.value = false;
}
