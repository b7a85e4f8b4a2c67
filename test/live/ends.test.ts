import type { Socket } from "node:net";
import fc from "fast-check";
import { expect, test } from "vitest";
import { serveExec } from "#agent/live/serve-exec.ts";
import { AgentLeg } from "#agent/live/session-leg.ts";
import { EdgeSockets } from "#lambdas/live/relay/edge-sockets.ts";
import { RelayLeg } from "#lambdas/live/relay/relay-leg.ts";
import { RelaySession } from "#lambdas/live/relay/relay-session.ts";
import type { ExecParameters, LiveEnd } from "#protocol/live.ts";
import { FRAMES } from "#protocol/live-frames.ts";
import { LIVE_LIMITS } from "#protocol/live-limits.ts";
import { memorySockets } from "./support/memory-socket.ts";
import { ScriptedExecution } from "./support/scripted-execution.ts";

type Step =
  | { step: "output" | "input"; text: string }
  | { step: "exit"; code: number }
  | { step: "deadline" | "close" | "dead leg" | "agent death" | "target" };

const steps = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        step: fc.constantFrom("output" as const, "input" as const),
        text: fc.string({ minLength: 1, maxLength: 40_000 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ step: fc.constant("exit" as const), code: fc.integer({ min: 0, max: 255 }) }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        step: fc.constantFrom(
          "deadline" as const,
          "close" as const,
          "dead leg" as const,
          "agent death" as const,
          "target" as const,
        ),
      }),
    },
  ),
  { maxLength: 12 },
);

const settle = async () => {
  for (let n = 0; n < 40; n++) await new Promise((resolve) => setImmediate(resolve));
};

/** What the user sees in the end, by the first step that ends the session. */
function expected(taken: readonly Step[]): { end: string; output: string; input: string } {
  let output = "";
  let input = "";
  for (const one of taken) {
    if (one.step === "output") output += one.text;
    else if (one.step === "input") input += one.text;
    else if (one.step === "exit") return { end: `exit ${one.code}`, output, input };
    else {
      const ends = {
        deadline: "timeout",
        close: "CANCELLED",
        "dead leg": "UNREACHABLE",
        "agent death": "UNREACHABLE",
        target: "STOPPED",
      };
      return { end: ends[one.step], output, input };
    }
  }
  return { end: "exit 0", output, input };
}

const named = (end: LiveEnd) =>
  end.type === "exit" ? `exit ${end.code}` : end.type === "error" ? end.code : end.type;

test("whatever happens in whatever order: one end, the right one, after all output; nothing runs on", {
  timeout: 240_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.boolean(), async (all, docile) => {
      const { near, far, agent } = memorySockets();
      const execution = new ScriptedExecution(docile);
      const target = new AbortController();
      const exec: ExecParameters = {
        argv: ["x"],
        as: "own",
        env: {},
        stop: "hangup",
      };
      const deadline = Promise.withResolvers<void>();
      const leg = new AgentLeg(agent, {
        offered: () => leg.ready(),
        go: () => {
          served = serveExec(
            { features: ["exec"], exec: async () => execution } as never,
            { exec, target: { run: "r", ended: target.signal, release() {} }, leg },
            { stopMs: 20, deadline: deadline.promise },
          );
        },
        window: () => LIVE_LIMITS.creditBytes,
        moved: () => {},
      });
      let served: Promise<void> | undefined;
      const ends: LiveEnd[] = [];
      const session = new RelaySession(
        "s",
        { user: "u", edge: "e", target: { runner: "r" }, request: { kind: "exec", exec } },
        (_, end) => ends.push(end),
      );
      const sockets = new EdgeSockets();
      sockets.enqueue(session);
      sockets.add(new RelayLeg(near as never, near as unknown as Socket, { epoch: 1 }));
      let output = "";
      let isRead = false;
      const reading = (async () => {
        const decoder = new TextDecoder();
        for await (const { data } of session.output) output += decoder.decode(data, { stream: true });
        isRead = true;
      })();
      await session.started;
      const taken: Step[] = [];
      for (const one of all) {
        taken.push(one);
        if (one.step === "output") execution.says(one.text);
        if (one.step === "input") await session.write(Buffer.from(one.text));
        if (one.step === "exit") execution.ends(one.code);
        if (one.step === "deadline") deadline.resolve();
        if (one.step === "close") session.close();
        if (one.step === "dead leg") near.terminate();
        if (one.step === "agent death") far.terminate();
        if (one.step === "target") {
          target.abort({ type: "error", code: "STOPPED", message: "" });
          execution.ends(137);
        }
        await settle();
        if (ends.length > 0) break;
      }
      execution.ends(0);
      const end = await session.ended;
      await reading;
      await served;
      const model = expected(taken);
      expect({ end: named(end), output, input: Buffer.concat(execution.input).toString() }).toEqual(model);
      expect([ends.length, isRead, execution.running, execution.wasCut]).toEqual([1, true, false, true]);
      // the agent's word for it is its last frame, and there is one at most
      const control = far.sent.filter((frame) => frame[0] === FRAMES.control);
      const told = control.filter((frame) => Buffer.from(frame).includes('"end"'));
      expect(told.length).toBeLessThanOrEqual(1);
      if (told.length === 1) expect(far.sent.at(-1)).toBe(told[0]);
      if (["timeout", "CANCELLED", "UNREACHABLE"].includes(model.end)) {
        expect(execution.signals.slice(0, 1)).toEqual(["SIGTERM"]);
      }
    }),
    { numRuns: 120 },
  );
});
