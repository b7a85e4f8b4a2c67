import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { data } from "../api/client.ts";
import type { Edge } from "../api/types.ts";
import { edge, edges } from "./live.ts";
import { idle, pause } from "./pause.ts";

/** An edge as it was told at `at` (ms since 1970). */
export type SeenEdge = Edge & { at: number };

/** The granted edges beside the one that is followed, by name, as they were looked at last. */
export const otherEdges = signal<ReadonlyMap<string, SeenEdge>>(new Map());

const EVERY_MS = 30_000;
/** An answer that has not come after this long (ms) is given up. */
const ANSWER_MS = 8000;

/** Looks at the other edges now and then while a screen that shows them is in sight. */
export function useOtherEdges(): void {
  const followed = edge.value?.edge;
  const names = edges.value.map(({ edge: name }) => name).filter((name) => name !== followed);
  const key = names.join();
  useEffect(() => {
    // the edge that is followed goes first
    if (followed === undefined || names.length === 0) return undefined;
    return followOthers(names);
  }, [followed, key]);
}

/** @returns what ends it */
export function followOthers(names: readonly string[]): () => void {
  const gone = new AbortController();
  void look(names, gone.signal);
  return () => gone.abort();
}

/** One edge after the other, again and again. */
async function look(names: readonly string[], gone: AbortSignal): Promise<void> {
  await idle();
  while (!gone.aborted) {
    for (const name of names) {
      if (gone.aborted) return;
      // what was known of it stays, with its age
      if (!document.hidden) await lookAt(name, gone).catch(() => {});
    }
    await pause(EVERY_MS, gone);
  }
}

async function lookAt(name: string, gone: AbortSignal): Promise<void> {
  const signal = AbortSignal.any([gone, AbortSignal.timeout(ANSWER_MS)]);
  const seen = await data<Edge>("/edge", { headers: { "perigee-edge": name }, signal });
  if (gone.aborted) return;
  otherEdges.value = new Map(otherEdges.peek()).set(name, { ...seen, at: Date.now() });
}

/** Of another user nothing is known. */
export function forgetOtherEdges(): void {
  otherEdges.value = new Map();
}
