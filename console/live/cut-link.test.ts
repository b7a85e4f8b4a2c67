import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { follow, heardAt, link } from "./live.ts";

const EDGES = { data: [{ edge: "em1", default: true, contact: { state: "never", last: null, age: null } }] };
const EDGE = { edge: "em1", contact: EDGES.data[0]!.contact, pods: [], nodes: [], lanes: [] };
/** An edge's operators are promised to see a cut after this long (ms). */
const SHOWS_MS = 5000;

/** The ground answers nothing from then on, and no connection ends. */
let silent: boolean;
let streams: boolean;
let followed: AbortController;

beforeEach(() => {
  silent = false;
  followed = new AbortController();
  vi.useFakeTimers();
  vi.stubGlobal("document", Object.assign(new EventTarget(), { hidden: false }));
  vi.stubGlobal("fetch", (path: string, { signal }: { signal: AbortSignal }) => {
    return new Promise<Response>((done, fail) => {
      signal.addEventListener("abort", () => fail(signal.reason));
      if (!silent) done(answer(path, signal));
    });
  });
});
afterEach(() => {
  followed.abort();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

function answer(path: string, signal: AbortSignal): Response {
  if (path === "/edges") return Response.json(EDGES);
  if (path === "/edge") return Response.json({ data: EDGE });
  if (path.startsWith("/commands")) return Response.json({ data: [] });
  if (!streams) return Response.json({ error: "NOT_FOUND" }, { status: 404 });
  const event = (name: string, data: unknown) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
  const encoder = new TextEncoder();
  return new Response(
    new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(encoder.encode(event("commands", []) + event("edge", EDGE)));
        const beats = setInterval(() => {
          if (!silent) controller.enqueue(encoder.encode(event("beat", {})));
        }, 1000);
        signal.addEventListener("abort", () => {
          clearInterval(beats);
          controller.error(signal.reason);
        });
      },
    }),
  );
}

test.each(["stream", "answers"] as const)(
  "a ground that falls silent shows within 5 s, says since when, and heals: by its %s",
  async (how) => {
    streams = how === "stream";
    const live = streams ? "live" : "polling";
    void follow(followed.signal);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(link.value).toBe(live);
    silent = true;
    const fell = Date.now();
    await vi.advanceTimersByTimeAsync(SHOWS_MS);
    expect(link.value).toBe("cut");
    // what is shown is as old as that
    expect(heardAt.value).toBeGreaterThan(fell - SHOWS_MS);
    expect(heardAt.value).toBeLessThanOrEqual(fell);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(link.value).toBe("cut");
    silent = false;
    await vi.advanceTimersByTimeAsync(20_000);
    expect(link.value).toBe(live);
  },
);

test("a ground that is silent from the beginning shows within 5 s too", async () => {
  silent = true;
  void follow(followed.signal);
  await vi.advanceTimersByTimeAsync(SHOWS_MS);
  expect(link.value).toBe("cut");
});
