import { isTerminal } from "#protocol/state.ts";
import type { Outcome } from "#protocol/wire.ts";
import type { Item } from "../ports/ledger-store.ts";
import type { Command } from "./command.ts";
import { FIRST_LANE } from "./first-lane.ts";
import { type Lane, nextToClaim, release } from "./lane.ts";
import { endRecords, type LedgerDeps } from "./ledger-deps.ts";
import { ended } from "./move.ts";
import { notFound, requireEpoch } from "./refusals.ts";

/** How a command ended: the agent's word, or one whose result lies in staging. */
export type Ending = Outcome | { state: "succeeded"; stagedResult: number };

/** Whose end is told; `lane` is where it is looked for first. */
export type Reported = { edge: string; user: string; id: string; epoch: number; lane?: string | undefined };

export type Finished = {
  command: Command;
  /** it ended by this, not before */
  ended: boolean;
  /** another one waits in its lane, for which there is a place */
  more: boolean;
};

type Read = Item<Command> | undefined;

/**
 * The agent's word on how a command ended: gives its place free in the same transaction. `prepare` gets the
 * command while it runs, says how it ended, and is called once: what it does outside of the ledger stands before
 * anybody can read the end. It must not change the command's lane by itself.
 */
export async function finish(
  deps: LedgerDeps,
  of: Reported,
  prepare: (command: Command) => Promise<Ending>,
): Promise<Finished> {
  const { changes } = deps;
  const { edge, epoch, lane = FIRST_LANE } = of;
  const options = deps.lanes.get(lane);
  const more = (next: Lane) => options !== undefined && nextToClaim(next, options, 1).length > 0;
  let ending: Ending | undefined;
  const done = await changes.change<Finished | { lane: string }, Read>({
    edge,
    lane,
    read: () => changes.item(of.user, of.id),
    together: { apart: of.id },
    async prepare(current, item) {
      requireEpoch(current, epoch);
      const command = reported(of, item);
      if (command.state === "running" && command.lane === lane) ending = await prepare(command);
    },
    async attempt(current, item) {
      requireEpoch(current, epoch);
      const command = reported(of, item);
      if (command.lane !== lane) return { value: { lane: command.lane } };
      if (isTerminal(command.state)) return { value: { command, ended: false, more: more(current) } };
      if (command.state !== "running" || !ending) throw notFound(of.id);
      const { state, ...rest } = ending;
      const { waitsFor: _, ...last } = command;
      const next = release(current, of.id);
      const end = ended(last, state, deps.now(), rest);
      const writes = [changes.put(end, item!.rev)];
      const records = await endRecords(deps, end);
      return { lane: next, writes, records, value: { command: end, ended: true, more: more(next) } };
    },
  });
  return "lane" in done ? finish(deps, { ...of, lane: done.lane }, prepare) : done;
}

function reported({ edge, id }: Reported, item: Read): Command {
  if (!item || item.data.edge !== edge) throw notFound(id);
  return item.data;
}
