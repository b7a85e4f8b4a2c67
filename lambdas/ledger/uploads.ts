import type { Item } from "../ports/ledger-store.ts";
import type { Command } from "./command.ts";
import { type EdgeAgent, requireOperation } from "./edge-agent.ts";
import { keys } from "./keys.ts";
import { enqueue, entryOf, extend } from "./lane.ts";
import type { LedgerDeps } from "./ledger-deps.ts";
import { moved } from "./move.ts";
import { endedError, notFound } from "./refusals.ts";

/** An upload in parts goes on: it is given up later, unless it is at its longest. */
export function extendUpload(deps: LedgerDeps, command: Command): Promise<Command> {
  const { partsIdleMs, partsMs } = deps.limits;
  return deps.changes.changeCommand(command, (lane, { data: current, rev }) => {
    const until = Math.min(current.createdAt + partsMs, deps.now() + partsIdleMs);
    // Not for every page of URLs: the lane's record is everybody's.
    const soon = until - (current.until ?? 0) < partsIdleMs / 12;
    if (current.state !== "staging" || current.until === undefined || soon) return { value: current };
    const value = { ...current, until };
    return { lane: extend(lane, current.id, until), writes: [deps.changes.put(value, rev)], value };
  });
}

/**
 * A command's files are staged whole: `staging → queued`, at the end of the queue. Never refused for the queue.
 * One that was queued before is returned as it is.
 * @throws CANCELLED when it was cancelled meanwhile, EXPIRED when the janitor ended it, UNSUPPORTED_OPERATION when
 * the edge's agent does not know it any more
 */
export function queueStaged(
  deps: LedgerDeps,
  { edge, lane, user, id }: Command,
  staged: { prefix: string; input: unknown },
): Promise<Command> {
  const { changes, store } = deps;
  type Read = [Item<Command> | undefined, Item<EdgeAgent> | undefined];
  return changes.change<Command, Read>({
    edge,
    lane,
    read: () => Promise.all([changes.item(user, id), store.get<EdgeAgent>(keys.edgeAgent(edge))]),
    attempt(current, [item, agent]) {
      if (!item) throw notFound(id);
      const command = item.data;
      if (command.queuedAt !== undefined) return { value: command };
      if (command.state !== "staging") throw endedError(command);
      requireOperation(edge, agent?.data, { ...command, input: staged.input });
      const now = deps.now();
      const next = moved(command, "queued", { queuedAt: now, staged: staged.prefix, input: staged.input });
      const writes = [changes.put(next, item.rev)];
      return { lane: enqueue(current, entryOf(next, now)), writes, value: next };
    },
  });
}
