import { setTimeout as sleep } from "node:timers/promises";
import { Hono } from "hono";
import { registerConsole } from "#lambdas/console/routes.ts";
import type { GroundEnv } from "#lambdas/http/env.ts";
import { type Served, serve } from "#lambdas/http/serve.ts";

/** Its ids are in the order of time, as the ledger's. */
const idOf = (n: number) => `01JD6Z0V3E8T4Q5R${String(n).padStart(10, "0")}`;
const OPERATIONS = ["volume.list", "volume.uplink", "pod.run", "image.build", "volume.read"];
const BEGAN = Date.parse("2026-01-01T00:00:00Z");
const PAGE = 1000;
/** Commands that the stream of events tells at first. */
const TOLD = 100;
/** Lines that are told at once, as an agent's pushes are. */
const BATCH_MS = 250;

export type PlayedLog = {
  /** there from the beginning */
  lines: number;
  /** that come in each second after that */
  perSecond: number;
};

/**
 * The console's routes as a ground answers them, with as many commands and lines as are asked for: making ten thousand
 * commands on a real edge would take a day, and it is the browser that is measured.
 */
export async function servePlayedGround(
  folder: string,
  { commands, log }: { commands: number; log: PlayedLog },
): Promise<Served & { told(): number }> {
  const app = new Hono<GroundEnv>();
  const contact = { state: "ok", last: new Date().toISOString(), age: 1 };
  const list = Array.from({ length: commands }, (_, n) => playedCommand(commands - n));
  app.get("/edges", (c) => c.json({ data: [{ edge: "em1", default: true, contact }] }));
  const edge = { ...EDGE, contact };
  app.get(
    "/console/events",
    () =>
      new Response(beats(edge, list.slice(0, TOLD)), { headers: { "content-type": "text/event-stream" } }),
  );
  registerConsole(app, folder, async () => []);
  app.get("/edge", (c) => c.json({ data: edge }));
  app.get("/commands", (c) => {
    const before = c.req.query("before");
    const from = before === undefined ? 0 : list.findIndex(({ command_id: id }) => id === before) + 1;
    const data = list.slice(from, from + Number(c.req.query("limit")));
    const next = from + data.length < list.length ? data.at(-1)?.command_id : undefined;
    return c.json({ data, ...(next !== undefined && { next }) });
  });
  app.get("/commands/:id", (c) =>
    c.json({ data: list.find(({ command_id: id }) => id === c.req.param("id")) }),
  );
  let began: number | undefined;
  let told = 0;
  app.get("/commands/:id/log", async (c) => {
    const after = Number(c.req.query("after"));
    if (after >= log.lines) {
      began ??= performance.now();
      await sleep(BATCH_MS);
    }
    const come = began === undefined ? 0 : ((performance.now() - began) / 1000) * log.perSecond;
    const last = Math.min(after + PAGE, log.lines + Math.floor(come));
    const rows = [];
    for (let n = after + 1; n <= last; n++) rows.push({ cursor: n, text: lineOf(n) });
    told = last;
    return c.json({ data: { rows, next: last, dropped: false, complete: false } });
  });
  const served = await serve(app, { host: "127.0.0.1", port: 0 });
  return { ...served, told: () => told };
}

/** The event stream of a ground: a beat and the edge, each second; the newest commands at first. */
function beats(edge: object, commands: readonly object[]): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const event = (name: string, data: unknown) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
  let first = true;
  return new ReadableStream({
    async pull(controller) {
      if (!first) await sleep(1000);
      const some = first ? event("commands", commands) : "";
      first = false;
      const beat = event("beat", { now: new Date().toISOString() });
      controller.enqueue(encoder.encode(beat + some + event("edge", edge)));
    },
  });
}

/** A line of a log, as programs write them. */
export function lineOf(n: number): string {
  return `step ${n}: loss ${(1 / (n + 1)).toFixed(6)}, ${n * 32} samples, lr 0.0003, ${(n * 7919) % 997} ms`;
}

/** An ended command, in the shape of `GET /commands`. */
export function playedCommand(n: number) {
  const at = (seconds: number) => new Date(BEGAN + n * 60_000 + seconds * 1000).toISOString();
  const failed = n % 9 === 0;
  return {
    command_id: idOf(n),
    operation: OPERATIONS[n % OPERATIONS.length]!,
    edge: "em1",
    lane: "em",
    state: failed ? "failed" : "succeeded",
    input: { volume: `pod-${n % 40}`, pod: `pod-${n % 40}`, image: "busybox:latest" },
    attempts: 1,
    created_at: at(0),
    queued_at: at(0),
    claimed_at: at(1),
    granted_at: at(1),
    ended_at: at(3),
    ...(failed && { error: { code: "IMAGE_NOT_FOUND", message: "The user has no such image." } }),
  };
}

const EDGE = {
  edge: "em1",
  windows: null,
  held: null,
  busy: null,
  lanes: [],
  agent: { version: "0.3.0", features: [] },
  disk: null,
  quota: { bytes: 1, on_edge: null },
  nodes: [],
  pods: [],
  images: null,
  volumes: null,
  fpga: [],
  runners: [],
};
