import { signal } from "@preact/signals";
import { KEPT_EDGE, KEPT_SESSION } from "./ahead.ts";

export type Session = { user: string; access: string; refresh: string };

/** Who is logged in: kept for this tab alone, and gone with it. */
export const session = signal<Session | undefined>(read(KEPT_SESSION));
/** The edge that is looked at; undefined: the user's default. */
export const chosenEdge = signal<string | undefined>(read(KEPT_EDGE));

export function keepSession(value: Session | undefined): void {
  session.value = value;
  keep(KEPT_SESSION, value);
  if (value === undefined) chooseEdge(undefined);
}

export function chooseEdge(value: string | undefined): void {
  chosenEdge.value = value;
  keep(KEPT_EDGE, value);
}

function keep(key: string, value: unknown): void {
  if (value === undefined) sessionStorage.removeItem(key);
  else sessionStorage.setItem(key, JSON.stringify(value));
}

function read<T>(key: string): T | undefined {
  try {
    const kept = sessionStorage.getItem(key);
    return kept === null ? undefined : (JSON.parse(kept) as T);
  } catch {
    return undefined;
  }
}
