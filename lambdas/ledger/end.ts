import { type Failure, PerigeeError } from "#protocol/errors.ts";
import { isTerminal } from "#protocol/state.ts";
import { type Item, MAX_WRITES, type Write } from "../ports/ledger-store.ts";
import type { Command } from "./command.ts";
import type { EndReason, Entry } from "./entry.ts";
import * as lanes from "./lane.ts";
import type { Change, EndRecords } from "./lane-change.ts";
import { endRecords, type LedgerDeps } from "./ledger-deps.ts";
import { ended } from "./move.ts";
import { INTERRUPTED } from "./refusals.ts";

type Target = Pick<Command, "edge" | "lane" | "user" | "id">;
/** How a command ends without its agent's word. */
export type UnclaimedEnd = { to: "cancelled" | "expired" | "failed"; failure?: Failure | undefined };

/**
 * Ends a command that no agent has claimed; one that was claimed or has ended is returned as it is. Only an
 * upload that is still coming in can fail so.
 */
export async function endUnclaimed(deps: LedgerDeps, target: Target, end: UnclaimedEnd): Promise<Command> {
  return deps.changes.changeCommand(target, async (lane, item) => {
    const { state } = item.data;
    const may = state === "staging" || (state === "queued" && end.to !== "failed");
    return may ? endWaiting(deps, lane, item, end) : { value: item.data };
  });
}

/** `kill`: what a running command runs gets no time to end by itself. */
export type CancelOptions = { kill?: true };

/**
 * Ends a command that is not running, or asks the agent to stop a running one.
 * @throws COMMAND_NOT_FOUND, NOT_CANCELLABLE
 */
export async function cancel(
  deps: LedgerDeps,
  user: string,
  id: string,
  { kill }: CancelOptions = {},
): Promise<Command> {
  const target = await deps.changes.command(user, id);
  return deps.changes.changeCommand(target, async (lane, item) => {
    const command = item.data;
    if (command.state === "cancelled") return { value: command };
    if (isTerminal(command.state)) {
      throw new PerigeeError("NOT_CANCELLABLE", `The command has already ended: ${command.state}`);
    }
    if (command.state !== "running") return endWaiting(deps, lane, item, { to: "cancelled" });
    if (command.cancelRequestedAt !== undefined && (!kill || command.kill)) return { value: command };
    const { cancelRequestedAt = deps.now() } = command;
    const asked = { ...command, cancelRequestedAt, ...(kill && { kill }) };
    return { writes: [deps.changes.put(asked, item.rev)], value: asked };
  });
}

async function endWaiting(
  deps: LedgerDeps,
  lane: lanes.Lane,
  { data, rev }: Item<Command>,
  { to, failure }: UnclaimedEnd,
): Promise<Change<Command>> {
  const command = ended(data, to, deps.now(), failure && { failure });
  const writes = [deps.changes.put(command, rev)];
  const records = await endRecords(deps, command);
  return { lane: lanes.release(lane, command.id), writes, records, value: command };
}

/** Ends the commands that a lane has given up, as many transactions as it takes. @returns those that ended by it */
export async function endGivenUp(deps: LedgerDeps, edge: string, lane: string): Promise<Command[]> {
  const { changes, now } = deps;
  const all: Command[] = [];
  // A dialect's records of two ends could be the same item.
  const most = deps.lanes.get(lane)?.onEnd ? 1 : MAX_WRITES - 2;
  for (;;) {
    const done = await changes.change<Command[] | undefined, void>({
      edge,
      lane,
      read: async () => {},
      async attempt(current) {
        const some = current.ending.slice(0, most);
        if (some.length === 0) return { value: undefined };
        const items = await Promise.all(some.map(({ user, id }) => changes.item(user, id)));
        const writes: Write[] = [];
        const value: Command[] = [];
        let records: EndRecords | undefined;
        for (const [i, item] of items.entries()) {
          if (!item || isTerminal(item.data.state)) continue;
          const command = givenUp(item.data, some[i]!, now());
          writes.push(changes.put(command, item.rev));
          // where a dialect has records, there is one command
          records = await endRecords(deps, command);
          value.push(command);
        }
        const rest = some.reduce((left, { id }) => lanes.release(left, id), current);
        return { lane: rest, writes, records, value };
      },
    });
    if (!done) return all;
    all.push(...done);
  }
}

function givenUp(command: Command, { end, operation }: Entry, now: number): Command {
  const reason: EndReason = end ?? "interrupted";
  if (reason === "unsupported") {
    const message = `The edge's agent does not know the operation ${operation} any more`;
    return ended(command, "failed", now, { failure: { code: "UNSUPPORTED_OPERATION", message } });
  }
  if (command.state === "running") return ended(command, "failed", now, { failure: INTERRUPTED });
  return ended(command, "expired", now);
}
