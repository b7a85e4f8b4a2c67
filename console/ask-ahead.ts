import {
  type Ahead,
  EVENTS,
  EVENTS_HEADERS,
  GRANTED_EDGES,
  KEPT_EDGE,
  KEPT_SESSION,
  UNKEPT,
} from "./api/ahead.ts";

// as this is read, before all that the program is made of
globalThis.perigeeAhead = askAhead();

/** Asks for what every first look needs, where somebody is logged in. */
export function askAhead(): Ahead | undefined {
  const access = kept<{ access?: string }>(KEPT_SESSION)?.access;
  if (!access) return undefined;
  const edge = kept<string>(KEPT_EDGE);
  const own = { ...(edge && { "perigee-edge": edge }), authorization: `Bearer ${access}` };
  const ahead: Ahead = new Map();
  for (const [path, more] of [[EVENTS, EVENTS_HEADERS] as const, [GRANTED_EDGES, {}] as const]) {
    const stop = new AbortController();
    const answer = fetch(path, { ...UNKEPT, headers: { ...own, ...more }, signal: stop.signal });
    // whoever takes it hears of its failure
    answer.catch(() => {});
    ahead.set(path, { answer, stop });
  }
  return ahead;
}

function kept<T>(key: string): T | undefined {
  try {
    return JSON.parse(sessionStorage.getItem(key) ?? "null") ?? undefined;
  } catch {
    return undefined;
  }
}
