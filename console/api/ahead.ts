/** What is asked before the program is made ready, so that the ground answers meanwhile. It imports nothing. */
export type Ahead = Map<string, { answer: Promise<Response>; stop: AbortController }>;

declare global {
  var perigeeAhead: Ahead | undefined;
}

/** Names in the tab's store: who is logged in, and the edge that is looked at. */
export const KEPT_SESSION = "perigee.session";
export const KEPT_EDGE = "perigee.edge";

/** With each request of the API: nothing of it is kept by the browser. */
export const UNKEPT = { cache: "no-store", credentials: "omit" } as const;

export const GRANTED_EDGES = "/edges";
export const EVENTS = "/console/events";
export const EVENTS_HEADERS = { accept: "text/event-stream" };

/** The answer to a request that was sent ahead, for whoever asks for it first; `signal` ends it as any other. */
export function takeAhead(path: string, signal?: AbortSignal | null): Promise<Response> | undefined {
  const sent = globalThis.perigeeAhead?.get(path);
  if (!sent) return undefined;
  globalThis.perigeeAhead?.delete(path);
  const stop = () => sent.stop.abort(signal?.reason);
  if (signal?.aborted) stop();
  else signal?.addEventListener("abort", stop, { once: true });
  return sent.answer;
}
