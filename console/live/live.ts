import { computed, signal } from "@preact/signals";
import { COMMANDS_TOLD } from "#protocol/console-events.ts";
import { EVENTS, EVENTS_HEADERS, GRANTED_EDGES } from "../api/ahead.ts";
import { ApiError, ask, data } from "../api/client.ts";
import { chosenEdge, session } from "../api/session.ts";
import type { Command, Edge, GrantedEdge } from "../api/types.ts";
import { clock } from "./clock.ts";
import { pause } from "./pause.ts";
import { ServerEvents } from "./server-events.ts";

export type Link = "connecting" | "live" | "polling" | "cut";

/** How the ground is heard. */
export const link = signal<Link>("connecting");
/** When it was heard last, ms since 1970. */
export const heardAt = signal<number | undefined>(undefined);
export const edge = signal<Edge | undefined>(undefined);
/** When `edge` was fetched: the ages in it are of then. */
export const edgeAt = signal(0);
export const edges = signal<GrantedEdge[]>([]);
/** The user may see and hold every edge. */
export const isOperator = signal(false);
/** What the ground refuses to tell, and why. */
export const refusal = signal<ApiError | undefined>(undefined);
/** The command before which there may be older ones than those that are known here. */
export const older = signal<string | undefined>(undefined);
/** How it stands with them: they are fetched, or the last try failed. */
export const olderState = signal<"idle" | "loading" | "failed">("idle");

const known = signal<ReadonlyMap<string, Command>>(new Map());
/** The user's commands, newest first. */
export const commands = computed(() =>
  [...known.value.values()].sort((a, b) => (a.command_id < b.command_id ? 1 : -1)),
);
/** Of the edge that is looked at. */
export const edgeCommands = computed(() => {
  const name = edge.value?.edge;
  return name === undefined ? commands.value : commands.value.filter((one) => one.edge === name);
});

/** Nothing heard for this long (ms) on a stream, which tells something every second: the connection is cut. */
const SILENCE_MS = 4000;
/** An answer that has not come for this long (ms) shows as a cut, for the link may be a far one: */
const LATE_MS = 3000;
/** it is given up after this. */
const ANSWER_MS = 15_000;
const POLL_MS = 2000;
/** A hidden page polls less often. */
const HIDDEN_MS = 30_000;
/** Where nothing is under way the edge is asked at every so many looks. */
const EDGE_LOOKS = 5;
const RETRY_MS = [500, 1000, 2000];
const PAGE = 200;
/** Of the first look: as many as a screen shows. */
const FIRST = 50;
/** Of a look at what is new. */
const NEWEST = 20;

export function learn(some: readonly Command[]): void {
  if (some.length === 0) return;
  const next = new Map(known.value);
  for (const one of some) next.set(one.command_id, one);
  known.value = next;
}

/** Fetches one command anew, and knows it from then on. */
export async function refresh(id: string): Promise<void> {
  learn([await data<Command>(`/commands/${encodeURIComponent(id)}`)]);
}

/** Fetches the page of commands before those that are known. @throws ApiError */
export async function loadOlder(): Promise<void> {
  const before = older.value;
  if (before === undefined || olderState.value === "loading") return;
  olderState.value = "loading";
  try {
    const page = await commandPage({ before, signal: AbortSignal.timeout(ANSWER_MS) });
    // meanwhile another user or edge may be looked at
    if (older.value === before) {
      learn(page.data);
      older.value = page.next;
    }
    olderState.value = "idle";
  } catch (error) {
    const isMeant = older.value === before;
    olderState.value = isMeant ? "failed" : "idle";
    if (isMeant) throw error;
  }
}

/** Follows the ground until `signal` ends it. It heals by itself. */
export async function follow(signal: AbortSignal): Promise<void> {
  link.value = "connecting";
  let failures = 0;
  while (!signal.aborted) {
    const round = new AbortController();
    const either = AbortSignal.any([signal, round.signal]);
    try {
      // both at once: the first look at a page is as long as its requests that wait for each other
      const opened = openStream(either);
      opened.catch(() => {});
      await learnEdges(either);
      failures = 0;
      if (edges.peek().length === 0) {
        // there is nothing to follow until an edge is granted
        link.value = "polling";
        await pause(POLL_MS * 2, signal);
        continue;
      }
      const stream = await opened;
      if (stream) await listen(stream);
      else await poll(signal);
    } catch (error) {
      if (signal.aborted) return;
      const refused = error instanceof ApiError && error.status >= 400 && error.status < 500;
      refusal.value = refused ? error : undefined;
      link.value = "cut";
      await pause(RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)]!, signal);
    } finally {
      round.abort();
    }
  }
}

function drop(): void {
  known.value = new Map();
  begun = false;
  edge.value = undefined;
  if (!session.value) {
    edges.value = [];
    isOperator.value = false;
  }
  older.value = undefined;
  if (olderState.value === "failed") olderState.value = "idle";
}

async function learnEdges(signal: AbortSignal): Promise<void> {
  const { data: granted, operator = false } = await within(signal, async (either) => {
    const answer = await ask(GRANTED_EDGES, { signal: either });
    return (await answer.json()) as { data: GrantedEdge[]; operator?: boolean };
  });
  edges.value = granted;
  isOperator.value = operator;
  const first = granted.find((one) => one.default) ?? granted[0];
  if (chosenEdge.peek() === undefined && first && !granted.some((one) => one.default)) {
    chosenEdge.value = first.edge;
  }
  refusal.value = undefined;
  hear();
}

type Stream = { body: NonNullable<Response["body"]>; silent: AbortController };

/** @returns undefined where the ground does not stream */
async function openStream(signal: AbortSignal): Promise<Stream | undefined> {
  const silent = new AbortController();
  const response = await within(AbortSignal.any([signal, silent.signal]), (either) =>
    ask(EVENTS, { headers: EVENTS_HEADERS, signal: either }),
  ).catch((error: unknown) => {
    if (error instanceof ApiError && (error.status === 404 || error.status === 429)) return undefined;
    throw error;
  });
  return response?.body ? { body: response.body, silent } : undefined;
}

/** Until the stream ends. */
async function listen({ body, silent }: Stream): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let first = true;
  try {
    const events = new ServerEvents();
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      timer = setTimeout(() => silent.abort(), SILENCE_MS);
      const { value, done } = await reader.read();
      clearTimeout(timer);
      if (done) return;
      for (const { event, data } of events.push(value)) {
        if (event === "edge") setEdge(JSON.parse(data) as Edge);
        if (event !== "commands") continue;
        const some = JSON.parse(data) as Command[];
        if (first) learnNewest(some, some.length < COMMANDS_TOLD ? undefined : some.at(-1)?.command_id);
        else learn(some);
        first = false;
      }
      link.value = "live";
      hear();
    }
  } finally {
    clearTimeout(timer);
    silent.abort();
  }
}

/** Somebody has been told the newest commands. */
let begun = false;

/** The newest commands, all of them. @param next before which older ones are asked for */
function learnNewest(page: readonly Command[], next: string | undefined): void {
  const meets = page.some(({ command_id: id }) => known.peek().has(id));
  // otherwise there are some between these and those that are known
  if (!begun || !meets) older.value = next;
  begun = true;
  learn(page);
}

/** Asks again and again, until it fails. */
async function poll(signal: AbortSignal): Promise<void> {
  for (let look = 0; !signal.aborted; look++) {
    const wantsEdge = look % EDGE_LOOKS === 0 || document.hidden || underWay() !== undefined;
    const [, seen] = await within(signal, (either) =>
      Promise.all([lookAtNewest(either), wantsEdge ? data<Edge>("/edge", { signal: either }) : undefined]),
    );
    if (seen) setEdge(seen);
    link.value = "polling";
    hear();
    const open = underWay();
    if (document.hidden) await pause(HIDDEN_MS, signal);
    else if (open) await untilChanged(open, signal);
    else await pause(POLL_MS, signal);
  }
}

/** A change of a command under way is heard when it comes: the ground holds the answer until then. */
async function untilChanged({ command_id: id }: Command, signal: AbortSignal): Promise<void> {
  const began = Date.now();
  const path = `/commands/${encodeURIComponent(id)}?wait=${POLL_MS / 1000}`;
  learn([await within(signal, (either) => data<Command>(path, { signal: either }), POLL_MS + LATE_MS)]);
  // one that changes all the time, or a ground that cannot wait
  await pause(Math.max(0, POLL_MS / 4 - (Date.now() - began)), signal);
}

/** The newest command that has not ended. */
function underWay(): Command | undefined {
  return commands.peek().find(isOpen);
}

function isOpen({ state }: Command): boolean {
  return state === "staging" || state === "queued" || state === "running";
}

/** Learns the commands that are new or may have changed: few, but back to the oldest that has not ended. */
async function lookAtNewest(signal: AbortSignal): Promise<void> {
  const before = known.peek();
  if (begun && commands.peek().findLastIndex(isOpen) < NEWEST) {
    const page = await commandPage({ signal, limit: NEWEST });
    const meets = page.data.some(({ command_id: id }) => before.has(id));
    if (meets || page.next === undefined) return learn(page.data);
  }
  const page = await commandPage({ signal, limit: begun ? PAGE : FIRST });
  learnNewest(page.data, page.next);
}

type PageOf = { before?: string; signal?: AbortSignal; limit?: number };

async function commandPage({ before, signal, limit = PAGE }: PageOf) {
  const query = new URLSearchParams({ limit: String(limit), ...(before && { before }) });
  const response = await ask(`/commands?${query}`, { ...(signal && { signal }) });
  return (await response.json()) as { data: Command[]; next?: string };
}

function setEdge(value: Edge): void {
  edge.value = value;
  edgeAt.value = Date.now();
  edges.value = edges.value.map((one) =>
    one.edge === value.edge ? { ...one, contact: value.contact } : one,
  );
}

function hear(): void {
  heardAt.value = Date.now();
  clock.value = Date.now();
}

/** An answer that does not come is a cut too. */
async function within<T>(
  signal: AbortSignal,
  call: (either: AbortSignal) => Promise<T>,
  lateMs = LATE_MS,
): Promise<T> {
  const over = new AbortController();
  const timers = [
    setTimeout(() => {
      link.value = "cut";
    }, lateMs),
    setTimeout(() => over.abort(), ANSWER_MS),
  ];
  try {
    return await call(AbortSignal.any([signal, over.signal]));
  } finally {
    for (const timer of timers) clearTimeout(timer);
  }
}

/**
 * Follows as long as somebody is logged in, anew for each user and edge.
 * @param forget drops what else is known of the user and edge before
 */
export function followSession(forget: () => void): () => void {
  let stop: AbortController | undefined;
  let at = "";
  const renew = () => {
    const now = `${session.value?.user ?? ""}\n${chosenEdge.value ?? ""}`;
    if (now === at) return;
    at = now;
    stop?.abort();
    drop();
    forget();
    stop = session.value ? new AbortController() : undefined;
    if (stop) void follow(stop.signal);
  };
  const ends = [session.subscribe(renew), chosenEdge.subscribe(renew)];
  return () => {
    for (const end of ends) end();
    stop?.abort();
  };
}
