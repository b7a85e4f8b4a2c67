import type { Progress, WaitsFor } from "#protocol/wire.ts";
import { ConditionFailed, type Item } from "../ports/ledger-store.ts";
import type { Command } from "./command.ts";
import { epochOf } from "./edge-epoch.ts";
import type { LedgerDeps } from "./ledger-deps.ts";
import { requireEpoch } from "./refusals.ts";

/** What an agent tells of one running command. */
export type CommandProgress = {
  user: string;
  command: string;
  progress?: Progress | undefined;
  /** it has all its resources */
  granted?: boolean | undefined;
  waitsFor?: WaitsFor | undefined;
};

/** Ids of the commands that should stop, and those among them that should at once. */
export type Stops = { cancel: string[]; kill: string[] };

/** Writes of one call that are under way. */
const AT_ONCE = 25;
const MOST_TRIES = 10;

/**
 * Remembers how running commands get on, and tells which of them should stop: a cancel was asked for, or the
 * command is not the agent's any more.
 * @throws STALE_EPOCH
 */
export async function noteProgress(
  deps: LedgerDeps,
  edge: string,
  epoch: number,
  told: readonly CommandProgress[],
): Promise<Stops> {
  const [state, items] = await Promise.all([
    epochOf(deps, edge),
    Promise.all(told.map(({ user, command }) => deps.changes.item(user, command))),
  ]);
  requireEpoch({ epoch: state }, epoch);
  const stops: Stops = { cancel: [], kill: [] };
  for (let from = 0; from < told.length; from += AT_ONCE) {
    const some = told.slice(from, from + AT_ONCE);
    const answers = await Promise.all(
      some.map((one, i) => note(deps, { edge, epoch }, one, items[from + i])),
    );
    for (const [i, stop] of answers.entries()) {
      if (stop) stops.cancel.push(some[i]!.command);
      if (stop === "kill") stops.kill.push(some[i]!.command);
    }
  }
  return stops;
}

/** @returns how the command should stop; undefined when it should not */
async function note(
  { changes, store, now }: LedgerDeps,
  { edge, epoch }: { edge: string; epoch: number },
  told: CommandProgress,
  seen: Item<Command> | undefined,
): Promise<"cancel" | "kill" | undefined> {
  let item = seen;
  for (let tries = 1; ; tries++) {
    if (!item || item.data.edge !== edge || item.data.state !== "running") return "cancel";
    // A newer agent has taken it over since the epoch was checked.
    if ((item.data.epoch ?? epoch) > epoch) return "cancel";
    const noted = withProgress(item.data, told, now());
    const { cancelRequestedAt, kill } = item.data;
    const stop = cancelRequestedAt === undefined ? undefined : kill ? "kill" : "cancel";
    if (noted === item.data) return stop;
    try {
      await store.transact([changes.put(noted, item.rev)]);
      return stop;
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error;
      // Somebody changed the command: that change matters. The grant does too, for its waiters.
      if (tries >= MOST_TRIES) return stop;
      item = await changes.item(told.user, told.command);
    }
  }
}

/** The command with what its agent told of it; the same when that is nothing new. */
function withProgress(
  command: Command,
  { progress, granted, waitsFor }: CommandProgress,
  now: number,
): Command {
  const grant = granted === true && command.grantedAt === undefined;
  const waits = granted === true ? undefined : (waitsFor ?? command.waitsFor);
  if (!progress && !grant && waits === command.waitsFor) return command;
  const { waitsFor: _, ...rest } = command;
  // told once, and true until the end
  const { startedAt } = command.progress ?? {};
  return {
    ...rest,
    ...(progress && { progress: { ...(startedAt !== undefined && { startedAt }), ...progress } }),
    ...(grant && { grantedAt: now }),
    ...(waits && { waitsFor: waits }),
  };
}
