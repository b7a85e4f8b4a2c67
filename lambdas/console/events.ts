import { setTimeout as sleep } from "node:timers/promises";
import type { Hono } from "hono";
import { COMMANDS_TOLD } from "#protocol/console-events.ts";
import { standingOf } from "../commands/standing.ts";
import { commandView } from "../commands/view.ts";
import { type EdgeViewParts, edgeView } from "../edges/edge-view.ts";
import type { GroundEnv } from "../http/env.ts";
import { SAFE_HEADERS } from "../http/safe-headers.ts";

export type ConsoleEventParts = EdgeViewParts & {
  resolveEdge(user: string, header: string | undefined): Promise<string>;
};

/** Between two looks (ms). Each look sends something, so that whoever listens sees a cut. */
const LOOK_MS = 1000;
/** The edge is told again after so many looks, changed or not: it says how old it is. */
const EDGE_LOOKS = 5;
/** A stream ends after this (ms), and whoever still may have it asks again: a token or a grant may be gone. */
const STREAM_MS = 5 * 60_000;

/**
 * `GET /console/events`: the user's newest commands, as they change, and the edge meant by `Perigee-Edge`, as
 * server-sent events: `commands` (those that changed), `edge`, `beat`. Needs, in front of it, a middleware that sets `user`.
 */
export function registerConsoleEvents(app: Hono<GroundEnv>, parts: ConsoleEventParts): void {
  app.get("/console/events", async (c) => {
    const user = c.get("user");
    const edge = await parts.resolveEdge(user, c.req.header("perigee-edge"));
    const { signal } = c.req.raw;
    const events = eventsOf(parts, { user, edge, signal });
    const encoder = new TextEncoder();
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        const { value, done } = await events.next();
        if (done) controller.close();
        else controller.enqueue(encoder.encode(value));
      },
      async cancel() {
        await events.return(undefined);
      },
    });
    return new Response(body, {
      headers: { "content-type": "text/event-stream", ...SAFE_HEADERS, "x-accel-buffering": "no" },
    });
  });
}

async function* eventsOf(
  parts: ConsoleEventParts,
  { user, edge, signal }: { user: string; edge: string; signal: AbortSignal },
): AsyncGenerator<string, undefined> {
  const end = performance.now() + STREAM_MS;
  const told = new Map<string, string>();
  for (let look = 0; performance.now() < end && !signal.aborted; look++) {
    const commands = await parts.ledger.commands(user, { limit: COMMANDS_TOLD });
    const views = await Promise.all(
      commands.map(async (command) => commandView(command, await standingOf(parts.ledger, command))),
    );
    const changed = views.filter((view) => {
      const text = JSON.stringify(view);
      if (told.get(view.command_id) === text) return false;
      told.set(view.command_id, text);
      return true;
    });
    let text = event("beat", { now: new Date(parts.now()).toISOString() });
    if (changed.length > 0 || look === 0) text += event("commands", changed);
    if (changed.length > 0 || look % EDGE_LOOKS === 0) {
      text += event("edge", await edgeView(parts, user, edge));
    }
    yield text;
    await sleep(LOOK_MS, undefined, { signal }).catch(() => {});
  }
}

function event(name: string, data: unknown): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}
