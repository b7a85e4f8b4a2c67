import type { Deed } from "../api/types.ts";

/** What is known of what operators did. */
export type Deeds = {
  /** the newest first, with none left out in between */
  list: readonly Deed[];
  /** before which there are older ones; undefined: there are none */
  older: string | undefined;
  /** How many were asked for: what comes meanwhile does not make the list longer for ever. */
  asked: number;
};

export type DeedPage = { data: readonly Deed[]; next?: string };

/** Of a page. */
export const DEEDS = 100;

/** With the newest page. One that does not reach back to what is known takes its place. */
export function withNewest(known: Deeds | undefined, { data, next }: DeedPage): Deeds {
  const newest = known?.list[0]?.n ?? -1;
  const fresh = data.filter(({ n }) => n > newest);
  if (!known || fresh.length === data.length) return { list: data, older: next, asked: DEEDS };
  if (fresh.length === 0) return known;
  const list = [...fresh, ...known.list];
  const { asked } = known;
  if (list.length <= asked + DEEDS) return { ...known, list };
  return { list: list.slice(0, asked), older: String(list[asked - 1]!.n), asked };
}

/** With the page before those that are known. */
export function withOlder({ list, asked }: Deeds, { data, next }: DeedPage): Deeds {
  return { list: [...list, ...data], older: next, asked: asked + DEEDS };
}
