import type { Wait } from "../dispatch/dispatch.ts";
import type { Admission } from "../ledger/command.ts";

/** Longer waits are cut to this many seconds: no connection is held for more than a day. */
export const MAX_WAIT_S = 86_400;

/**
 * A `Prefer` header as read: how the command is admitted and how long the caller waits, and what to say in
 * `Preference-Applied` when that was done. Without it a call takes a place or is refused, and waits for the end;
 * any preference queues.
 */
export type Preferred = { admission: Admission; wait: Wait; applied?: string };

/**
 * Reads `Prefer` (RFC 7240): `respond-async`, `wait=N` (seconds), both, in one header or several joined by
 * commas. Both together mean: wait, then answer 202. What is unknown or malformed is ignored, as the RFC
 * asks; of a preference given twice the first counts.
 */
export function readPrefer(header: string | undefined): Preferred {
  let async = false;
  let wait: number | undefined;
  for (const item of splitOutsideQuotes(header ?? "", ",")) {
    // parameters after `;` mean nothing to us
    const [preference = ""] = splitOutsideQuotes(item, ";");
    const equals = preference.indexOf("=");
    const name = (equals < 0 ? preference : preference.slice(0, equals)).trim().toLowerCase();
    const value = equals < 0 ? "" : unquote(preference.slice(equals + 1).trim());
    if (name === "respond-async") async = true;
    else if (name === "wait" && wait === undefined && /^\d+$/.test(value)) {
      wait = Math.min(Number(value), MAX_WAIT_S);
    }
  }
  if (wait !== undefined) {
    return {
      admission: "queue",
      wait: { kind: "most", ms: wait * 1000 },
      applied: async ? `respond-async, wait=${wait}` : `wait=${wait}`,
    };
  }
  if (async) return { admission: "queue", wait: { kind: "none" }, applied: "respond-async" };
  return { admission: "place", wait: { kind: "end" } };
}

function splitOutsideQuotes(text: string, separator: string): string[] {
  const parts: string[] = [];
  let quoted = false;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    if (quoted && text[i] === "\\") i++;
    else if (text[i] === '"') quoted = !quoted;
    else if (!quoted && text[i] === separator) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}

function unquote(text: string): string {
  return text.length >= 2 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text;
}
