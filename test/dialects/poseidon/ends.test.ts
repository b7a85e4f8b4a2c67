import type { Socket } from "node:net";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { expect, test } from "vitest";
import { serveExec } from "#agent/live/serve-exec.ts";
import { AgentLeg } from "#agent/live/session-leg.ts";
import { Inactivity } from "#agent/runners/inactivity.ts";
import { RunnerBook } from "#agent/runners/runner-book.ts";
import type { RunnerRecord } from "#agent/runners/runner-record.ts";
import { RunnerStore } from "#agent/runners/runner-store.ts";
import { RunnerTargets } from "#agent/runners/runner-targets.ts";
import { runExecution } from "#lambdas/dialects/poseidon/execution.ts";
import type { Message } from "#lambdas/dialects/poseidon/execution-messages.ts";
import { EdgeSockets } from "#lambdas/live/relay/edge-sockets.ts";
import { RelayLeg } from "#lambdas/live/relay/relay-leg.ts";
import { RelaySession } from "#lambdas/live/relay/relay-session.ts";
import { MessageQueue } from "#lambdas/live/sockets/message-queue.ts";
import type { UserSocket } from "#lambdas/live/sockets/user-socket.ts";
import type { ExecParameters } from "#protocol/live.ts";
import { LIVE_LIMITS } from "#protocol/live-limits.ts";
import type { RunnerEnd } from "#protocol/runners.ts";
import { memorySockets } from "#test/live/support/memory-socket.ts";
import { ScriptedExecution } from "#test/live/support/scripted-execution.ts";
import { replayed, share } from "#test/support/long-run.ts";

const RUNNER = "0-3e3b7fd1-2c0c-4b9f-9a5e-1f6d0f0f0f0f";
const INACTIVITY_MS = 1_000;

type Step =
  | { step: "connect" }
  | { step: "output" | "stdin"; text: string }
  | { step: "binary" }
  | { step: "exit"; code: number }
  | { step: "deadline" | "inactivity" | "delete" | "replace" | "oom" | "crash" }
  | { step: "client close" | "dead leg" | "agent death" };

const one = <S extends Step["step"]>(...names: S[]) => fc.record({ step: fc.constantFrom(...names) });
const steps = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        step: fc.constantFrom("output" as const, "stdin" as const),
        text: fc.string({ unit: "grapheme", minLength: 1, maxLength: 200 }),
      }),
    },
    { weight: 4, arbitrary: one("connect") },
    { weight: 1, arbitrary: one("binary") },
    {
      weight: 1,
      arbitrary: fc.record({ step: fc.constant("exit" as const), code: fc.integer({ min: 0, max: 255 }) }),
    },
    { weight: 2, arbitrary: one("deadline", "inactivity", "delete", "replace", "oom", "crash") },
    { weight: 1, arbitrary: one("client close", "dead leg", "agent death") },
  ),
  { maxLength: 14 },
) as fc.Arbitrary<Step[]>;

const [STOPPED, OOM, FAILED] = [
  { type: "error", data: "the allocation stopped as expected" },
  { type: "error", data: "the allocation was OOM Killed" },
  { type: "error", data: "Error executing the request" },
] as const;

/** What ends a runner, and with it what runs there. */
const RUNNER_ENDS: Partial<Record<Step["step"], { why: RunnerEnd; end: Message }>> = {
  inactivity: { why: "inactive", end: { type: "timeout" } },
  delete: { why: "deleted", end: STOPPED },
  replace: { why: "replaced", end: STOPPED },
  oom: { why: "oom", end: OOM },
  crash: { why: "exited", end: FAILED },
};

type Model = { end: Message | "none"; output: string; input: string };

/** What the client sees, by the steps alone. A runner that ended before the connect tells why. */
function modelOf(all: readonly Step[]): Model {
  let [output, input] = ["", ""];
  let [connected, binary] = [false, false];
  let before: Message | undefined;
  for (const now of all) {
    const runnerEnd = RUNNER_ENDS[now.step]?.end;
    if (!connected) {
      before ??= runnerEnd;
      connected = now.step === "connect";
      if (connected && before) return { end: before, output, input };
      continue;
    }
    if (runnerEnd) return { end: runnerEnd, output, input };
    if (now.step === "output") output += now.text;
    else if (now.step === "stdin" && !binary) input += now.text;
    else if (now.step === "binary") binary = true;
    else if (now.step === "exit") return { end: { type: "exit", data: now.code }, output, input };
    else if (now.step === "deadline") return { end: { type: "timeout" }, output, input };
    else if (now.step === "client close") return { end: "none", output, input };
    else if (now.step === "dead leg" || now.step === "agent death") return { end: FAILED, output, input };
  }
  return { end: connected ? { type: "exit", data: 0 } : "none", output, input };
}

const settle = async () => {
  for (let n = 0; n < 30; n++) await new Promise((resolve) => setImmediate(resolve));
};

/** A client's socket that keeps what it was sent, and notes what came after it was closed. */
function client() {
  const gone = new AbortController();
  const messages = new MessageQueue({ pause() {}, resume() {} });
  const got: Message[] = [];
  const closes: number[] = [];
  const socket: UserSocket = {
    gone: gone.signal,
    messages,
    async send(message) {
      if (closes.length > 0) throw new Error("a message after the close");
      if (!gone.signal.aborted) got.push(JSON.parse(message as string) as Message);
    },
    close: (code) => void closes.push(code),
  };
  const leave = () => {
    gone.abort();
    messages.end();
  };
  return { socket, messages, got, closes, leave };
}

async function play(all: readonly Step[], docile: boolean): Promise<void> {
  let now = 1_000_000;
  const book = new RunnerBook(new RunnerStore(new DatabaseSync(":memory:")));
  const record: RunnerRecord = {
    id: RUNNER,
    user: "ada",
    generation: 1,
    state: "used",
    image: "i",
    ports: [],
    activeAt: now,
    inactivityMs: INACTIVITY_MS,
  };
  book.add(record);
  const inactivity = new Inactivity({ book, ended() {}, now: () => now });
  const targets = new RunnerTargets({ book, changed: () => inactivity.look(), now: () => now });
  const { near, far, agent } = memorySockets();
  const execution = new ScriptedExecution(docile);
  const deadline = Promise.withResolvers<void>();
  const exec: ExecParameters = { argv: ["x"], as: "user", env: {}, stop: "quit" };
  let served: Promise<void> | undefined;
  const leg = new AgentLeg(agent, {
    offered: () => leg.ready(),
    go: () => {
      const target = targets.open("ada", { runner: RUNNER }, "exec");
      served = serveExec(
        {
          features: ["exec"],
          exec: async (_run: string, _spec: unknown, { signal }: { signal: AbortSignal }) => {
            signal.throwIfAborted();
            return execution;
          },
        } as never,
        { exec, target, leg },
        { stopMs: 20, deadline: deadline.promise },
      ).finally(() => target.release());
    },
    window: () => LIVE_LIMITS.creditBytes,
    moved: () => {},
  });
  const user = client();
  let running: Promise<void> | undefined;
  const connect = () => {
    const session = new RelaySession(
      "s",
      { user: "ada", edge: "e", target: { runner: RUNNER }, request: { kind: "exec", exec } },
      () => {},
    );
    const sockets = new EdgeSockets();
    sockets.enqueue(session);
    sockets.add(new RelayLeg(near as never, near as unknown as Socket, { epoch: 1 }));
    running = runExecution(user.socket, session, async () => record.end);
  };
  let began = false;
  let isOver = false;
  let last: Step["step"] | undefined;
  for (const step of all) {
    // before the connect only the runner can change
    if (!began && step.step === "connect") {
      began = true;
      connect();
    } else if (!began && !RUNNER_ENDS[step.step]) continue;
    if (step.step === "output") execution.says(step.text);
    if (step.step === "stdin") user.messages.push({ data: Buffer.from(step.text), binary: false });
    if (step.step === "binary") user.messages.push({ data: Buffer.from("\0"), binary: true });
    if (step.step === "exit") execution.ends(step.code);
    if (step.step === "deadline") deadline.resolve();
    if (step.step === "client close") user.leave();
    if (step.step === "dead leg") near.terminate();
    if (step.step === "agent death") far.terminate();
    if (step.step === "inactivity") {
      now += INACTIVITY_MS;
      inactivity.look();
    } else if (RUNNER_ENDS[step.step]) book.end(record, RUNNER_ENDS[step.step]!.why);
    if (RUNNER_ENDS[step.step] && began) execution.ends(137);
    await settle();
    last = step.step;
    isOver = user.closes.length > 0 || user.socket.gone.aborted;
    if (isOver) break;
  }
  if (!isOver) execution.ends(0);
  await running;
  await served;
  user.messages.end();
  inactivity.close();
  const model = modelOf(all);
  if (!began) return;
  const text = user.got.flatMap((message) => (message.type === "stdout" ? [message.data] : [])).join("");
  const ends = user.got.filter(({ type }) => type === "exit" || type === "timeout" || type === "error");
  expect(user.got[0]).toEqual({ type: "start" });
  expect(text).toBe(model.output);
  expect(Buffer.concat(execution.input).toString()).toBe(model.input);
  expect(ends).toEqual(model.end === "none" ? [] : [model.end]);
  if (model.end !== "none") expect([user.got.at(-1), user.closes]).toEqual([model.end, [1000]]);
  // who does not hear that it should end goes with its runner, and nobody else does
  const stops = isOver && ["deadline", "client close", "dead leg", "agent death"].includes(last!);
  expect(record.end === "unstoppable").toBe(stops && !docile);
  if (stops && docile) expect([execution.signals, execution.running]).toEqual([["SIGQUIT"], false]);
  expect(record.busy ?? false).toBe(false);
}

test("whatever happens in whatever order: a start, all output, then the one right end and nothing after it", {
  timeout: 240_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.boolean(), async (all, docile) => play(all, docile)),
    { numRuns: share(2_000, 150), ...replayed() },
  );
});
