import { expect, test, vi } from "vitest";
import type { LiveEnd } from "#protocol/live.ts";
import { LIVE_LIMITS } from "#protocol/live-limits.ts";
import { ScriptedExecution } from "#test/live/support/scripted-execution.ts";
import { type PodSessions, SessionFailure } from "../sessions/pod-sessions.ts";
import { serveExec } from "./serve-exec.ts";
import type { SessionLeg } from "./session-leg.ts";

const OUT_OF_MEMORY: LiveEnd = { type: "error", code: "OOM_KILLED", message: "m" };
const gone = () => new SessionFailure("GONE", "the container does not run");

/** Serves an execution; a test tells why its container has ended by `target`. */
function serve(exec: PodSessions["exec"]) {
  const target = new AbortController();
  const ended = Promise.withResolvers<LiveEnd>();
  const leg: SessionLeg = {
    started() {},
    output: async () => {},
    end: ended.resolve,
    input: async function* () {},
    onControl() {},
    gone: new AbortController().signal,
  };
  const served = serveExec(
    { features: ["exec"], exec } as unknown as PodSessions,
    {
      exec: { argv: ["x"], as: "user", env: {}, stop: "quit" },
      target: { run: "r", ended: target.signal, release() {} },
      leg,
    },
    { stopMs: 20 },
  );
  return { target, end: served.then(() => ended.promise) };
}

test("what a container died of is told, though its programs are gone before it is known", async () => {
  const execution = new ScriptedExecution(true);
  const running = serve(async () => execution);
  execution.says("some");
  execution.fails(gone());
  setTimeout(() => running.target.abort(OUT_OF_MEMORY), 50);
  expect(await running.end).toEqual(OUT_OF_MEMORY);
  const starting = serve(() => Promise.reject(gone()));
  setTimeout(() => starting.target.abort(OUT_OF_MEMORY), 50);
  expect(await starting.end).toEqual(OUT_OF_MEMORY);
});

test("what nobody knows the reason of is just gone", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const { end } = serve(() => Promise.reject(gone()));
    await vi.advanceTimersByTimeAsync(LIVE_LIMITS.whyGoneMs);
    expect(await end).toMatchObject({ type: "error", code: "GONE" });
  } finally {
    vi.useRealTimers();
  }
});
