import type { Context, Hono } from "hono";
import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import { inSpace } from "#protocol/names.ts";
import { type InputOf, OPERATIONS } from "#protocol/operations.ts";
import { isTerminal } from "#protocol/state.ts";
import type { GroundEnv } from "../http/env.ts";
import type { Command } from "../ledger/command.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Runs } from "../ledger/runs.ts";
import type { CommandLogs } from "../logs/command-logs.ts";
import type { RowPage } from "../logs/log-rows.ts";
import type { PodLogs } from "../logs/pod-logs.ts";
import type { ReadRowsOptions } from "../logs/stored-logs.ts";
import { MAX_WAIT_S, once, wholeNumber } from "./query.ts";

export type CommandLogDeps = {
  ledger: Pick<Ledger, "command">;
  runs: Pick<Runs, "find">;
  podLogs: Pick<PodLogs, "rows">;
  commandLogs: Pick<CommandLogs, "rows" | "hasEnded">;
  now: () => number;
  /** ms that the process has for its request (default: without end): a wait ends before */
  timeLeftMs?: (() => number) | undefined;
};

/** ms after a command's end when rows that are not here yet are not waited for: its agent lost them, or sends none */
const LATE_MS = 10 * 60_000;

/** ms kept for the answer where the process's time is limited. */
const ANSWER_MS = 10_000;

/**
 * `GET /commands/{id}/log?after=&limit=&wait=`: rows of the log of a run (its command is `pod.run`) or of what a
 * command wrote while it worked, such as a build. Takes no lock and reaches no edge.
 */
export function registerCommandLog(app: Hono<GroundEnv>, deps: CommandLogDeps): void {
  app.get("/commands/:id/log", async (c) => {
    const options = rowOptions(c, deps.timeLeftMs);
    const command = await deps.ledger.command(c.get("user"), c.req.param("id"));
    const page = await rowsOf(deps, command, { ...options, signal: c.req.raw.signal });
    return c.json({ message: "Successfully fetched log", data: page }, 200);
  });
}

/**
 * Rows of the log that belongs to a command.
 * @throws FILE_NOT_FOUND when its operation writes none
 */
async function rowsOf(
  deps: CommandLogDeps,
  command: Command,
  options: Omit<ReadRowsOptions, "ended">,
): Promise<RowPage> {
  const { edge, user, id } = command;
  if (command.operation === "pod.run") {
    const { pod } = command.input as { pod: string };
    const ended = () => runHasEnded(deps, command, pod);
    return deps.podLogs.rows({ edge, user, pod, run: id }, { ...options, ended });
  }
  if (command.operation === "job.run") {
    const { pod, space } = command.input as InputOf<"job.run">;
    // Its end is told when all of its log is here.
    const ended = async () => isTerminal((await deps.ledger.command(user, id)).state);
    return deps.podLogs.rows({ edge, user, pod: inSpace(pod, space), run: id }, { ...options, ended });
  }
  if (!("logs" in OPERATIONS[command.operation])) {
    throw new PerigeeError("FILE_NOT_FOUND", `${command.operation} writes no log`);
  }
  const key = { edge, user, command: id };
  const ended = async () => {
    const { state, endedAt = 0 } = await deps.ledger.command(user, id);
    if (!isTerminal(state)) return false;
    return (await deps.commandLogs.hasEnded(key)) || deps.now() - endedAt > LATE_MS;
  };
  return deps.commandLogs.rows(key, { ...options, ended });
}

/** A run that the ground knows no more brings no more log either. */
async function runHasEnded(deps: CommandLogDeps, of: Command, pod: string): Promise<boolean> {
  const { edge, user, id } = of;
  if (!isTerminal((await deps.ledger.command(user, id)).state)) return false;
  const run = (await deps.runs.find({ edge, user, pod })).find((one) => one.run === id);
  return run === undefined || run.terminated;
}

function rowOptions(c: Context, timeLeftMs = () => Number.POSITIVE_INFINITY): Omit<ReadRowsOptions, "ended"> {
  const wait = wholeNumber("wait", once(c, "wait") ?? "0", 0, MAX_WAIT_S) * 1000;
  return {
    after: wholeNumber("after", once(c, "after") ?? "0", 0, Number.MAX_SAFE_INTEGER),
    limit: wholeNumber("limit", once(c, "limit") ?? "1000", 1, LIMITS.logRows),
    waitMs: Math.max(0, Math.min(wait, timeLeftMs() - ANSWER_MS)),
  };
}
