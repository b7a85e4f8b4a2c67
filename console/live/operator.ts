import { signal } from "@preact/signals";
import { ask, data } from "../api/client.ts";
import type { OperatorEdge, QueuedCommand } from "../api/types.ts";
import { DEEDS, type DeedPage, type Deeds, withNewest, withOlder } from "../format/deeds.ts";

/** What an operator sees, as it was at `at` (ms since 1970). */
export type OperatorView = {
  at: number;
  edges: OperatorEdge[];
  /** of the edge that is looked at */
  queues: { edge: string; entries: QueuedCommand[] } | undefined;
  deeds: Deeds;
};

export const operatorView = signal<OperatorView | undefined>(undefined);
export const operatorRefusal = signal<unknown>(undefined);

const EVERY_MS = 3000;

/** Asks again and again while its screen is open. @returns what ends it */
export function followOperator(edge: string | undefined): () => void {
  const ended = new AbortController();
  const follow = async () => {
    while (!ended.signal.aborted) {
      await lookAgain(edge, ended.signal);
      await new Promise((done) => setTimeout(done, document.hidden ? EVERY_MS * 10 : EVERY_MS));
    }
  };
  void follow();
  return () => ended.abort();
}

async function lookAgain(edge: string | undefined, signal: AbortSignal): Promise<void> {
  const ended = AbortSignal.any([signal, AbortSignal.timeout(EVERY_MS * 5)]);
  try {
    const [edges, entries, page] = await Promise.all([
      data<OperatorEdge[]>("/operator/edges", { signal: ended }),
      edge === undefined
        ? undefined
        : data<QueuedCommand[]>(`/operator/edges/${encodeURIComponent(edge)}/queues`, { signal: ended }),
      deedPage(undefined, ended),
    ]);
    if (signal.aborted) return;
    const deeds = withNewest(operatorView.peek()?.deeds, page);
    const queues = edge !== undefined && entries ? { edge, entries } : undefined;
    operatorView.value = { at: Date.now(), edges, queues, deeds };
    operatorRefusal.value = undefined;
  } catch (error) {
    if (!signal.aborted) operatorRefusal.value = error;
  }
}

async function deedPage(before: string | undefined, signal: AbortSignal) {
  const query = new URLSearchParams({ limit: String(DEEDS), ...(before && { before }) });
  const answer = await ask(`/operator/audit?${query}`, { signal });
  return (await answer.json()) as DeedPage;
}

/** Fetches deeds before those that are known. @throws ApiError */
export async function loadOlderDeeds(): Promise<void> {
  const before = operatorView.peek()?.deeds.older;
  if (before === undefined) return;
  const page = await deedPage(before, AbortSignal.timeout(EVERY_MS * 5));
  const view = operatorView.peek();
  // meanwhile another user may look, or newer ones stand in the place of these
  if (view?.deeds.older !== before) return;
  operatorView.value = { ...view, deeds: withOlder(view.deeds, page) };
}

/** Holds or releases an edge, or one lane of it, and looks at it again. @throws ApiError */
export async function holdEdge(edge: string, lane: string | undefined, hold: boolean): Promise<void> {
  await ask(`/operator/edges/${encodeURIComponent(edge)}/${hold ? "hold" : "release"}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ lane }),
  });
  await lookAgain(edge, AbortSignal.timeout(EVERY_MS * 5));
}

/** Of another user nothing is known. */
export function forgetOperator(): void {
  operatorView.value = undefined;
  operatorRefusal.value = undefined;
}
