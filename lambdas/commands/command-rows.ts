import { PerigeeError } from "#protocol/errors.ts";
import { inSpace } from "#protocol/names.ts";
import { type InputOf, OPERATIONS } from "#protocol/operations.ts";
import { isTerminal } from "#protocol/state.ts";
import type { Command } from "../ledger/command.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Runs } from "../ledger/runs.ts";
import type { CommandLogs } from "../logs/command-logs.ts";
import type { RowPage } from "../logs/log-rows.ts";
import type { PodLogs } from "../logs/pod-logs.ts";
import type { ReadRowsOptions } from "../logs/stored-logs.ts";

export type CommandRowsDeps = {
  ledger: Pick<Ledger, "command">;
  runs: Pick<Runs, "find">;
  podLogs: Pick<PodLogs, "rows">;
  commandLogs: Pick<CommandLogs, "rows" | "hasEnded">;
  now: () => number;
  /** ms that the process has for its request (default: without end): a wait ends before */
  timeLeftMs?: (() => number) | undefined;
};

/** The cursor, how many rows, and how long to wait for one (ms), which may be cut to what the process has left. */
export type CommandRowsOptions = Omit<ReadRowsOptions, "ended">;

/** ms after a command's end when rows that are not here yet are not waited for: its agent lost them, or sends none */
const LATE_MS = 10 * 60_000;

/** ms kept for the answer where the process's time is limited. */
const ANSWER_MS = 10_000;

/**
 * Rows of the log that belongs to a command: of its run (`pod.run`), or of what it wrote while it worked, such as a
 * build. Takes no lock and reaches no edge.
 * @throws FILE_NOT_FOUND when its operation writes none
 * @example
 * const { rows, next, complete } = await rowsOf(deps, command, { after: cursor, limit: 100, waitMs: 20_000 });
 */
export async function rowsOf(
  deps: CommandRowsDeps,
  command: Command,
  options: CommandRowsOptions,
): Promise<RowPage> {
  const { edge, user, id } = command;
  const left = (deps.timeLeftMs?.() ?? Number.POSITIVE_INFINITY) - ANSWER_MS;
  const bounded = { ...options, waitMs: Math.max(0, Math.min(options.waitMs ?? 0, left)) };
  if (command.operation === "pod.run") {
    const { pod } = command.input as { pod: string };
    const ended = () => runHasEnded(deps, command, pod);
    return deps.podLogs.rows({ edge, user, pod, run: id }, { ...bounded, ended });
  }
  if (command.operation === "job.run") {
    const { pod, space } = command.input as InputOf<"job.run">;
    // Its end is told when all of its log is here.
    const ended = async () => isTerminal((await deps.ledger.command(user, id)).state);
    return deps.podLogs.rows({ edge, user, pod: inSpace(pod, space), run: id }, { ...bounded, ended });
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
  return deps.commandLogs.rows(key, { ...bounded, ended });
}

/** A run that the ground knows no more brings no more log either. */
async function runHasEnded(deps: CommandRowsDeps, of: Command, pod: string): Promise<boolean> {
  const { edge, user, id } = of;
  if (!isTerminal((await deps.ledger.command(user, id)).state)) return false;
  const run = (await deps.runs.find({ edge, user, pod })).find((one) => one.run === id);
  return run === undefined || run.terminated;
}
