import type { Command } from "../api/types.ts";

export type Span = { from: number; to: number };
/** Where something stands on the axis, in parts of its width from 0 to 1. */
export type Place = { left: number; width: number };

/** What of [from, to] is in sight; undefined: nothing. Times in ms. */
export function place(from: number, to: number, sight: Span): Place | undefined {
  if (to < sight.from || from > sight.to) return undefined;
  const length = sight.to - sight.from;
  const begin = Math.max(from, sight.from);
  const end = Math.min(to, sight.to);
  return { left: (begin - sight.from) / length, width: (end - begin) / length };
}

/** When it waited and when it was on the edge, ms. */
export function spansOf(command: Command, now: number): { waits: Span; works?: Span } {
  const end = command.ended_at ? Date.parse(command.ended_at) : now;
  const from = Date.parse(command.created_at);
  const claimed = command.claimed_at ? Date.parse(command.claimed_at) : undefined;
  return {
    waits: { from, to: claimed ?? end },
    ...(claimed !== undefined && { works: { from: claimed, to: end } }),
  };
}

const STEPS_MIN = [1, 2, 5, 10, 30, 60, 120, 180, 360, 720, 1440];

/** Full times to write at the axis: 10 at most. */
export function ticks({ from, to }: Span): number[] {
  const step = 60_000 * (STEPS_MIN.find((minutes) => (to - from) / (minutes * 60_000) <= 10) ?? 1440);
  const first = Math.ceil(from / step) * step;
  return Array.from({ length: Math.max(0, Math.floor((to - first) / step) + 1) }, (_, i) => first + i * step);
}

/** Puts spans that overlap into rows below each other. */
export function stacked<T>(items: readonly T[], spanOf: (item: T) => Span, gap: number): T[][] {
  const rows: { end: number; items: T[] }[] = [];
  for (const item of items.toSorted((a, b) => spanOf(a).from - spanOf(b).from)) {
    const { from, to } = spanOf(item);
    const row = rows.find(({ end }) => end + gap <= from);
    if (row) {
      row.items.push(item);
      row.end = to;
    } else rows.push({ end: to, items: [item] });
  }
  return rows.map((row) => row.items);
}
