import { killPoint } from "#protocol/kill-point.ts";
import { ConditionFailed, type Item, MAX_WRITES, type Write } from "../ports/ledger-store.ts";
import type { Command } from "./command.ts";
import type { Draft } from "./draft.ts";
import type { EdgeAgent } from "./edge-agent.ts";
import { keys } from "./keys.ts";
import { enqueue, entryOf } from "./lane.ts";
import type { LaneSeen } from "./lane-change.ts";
import type { LedgerDeps } from "./ledger-deps.ts";
import { commandOf, requireInputFits } from "./plan-submit.ts";
import { onlyLane, requireAccepted } from "./submit-many.ts";
import { ulid } from "./ulid.ts";

/** Commands that one transaction may hold by their bytes, with inputs as large as may be. */
const MOST = 10;
/** The lane's record, and with its first one the edge's state. */
const LANE_WRITES = 2;

/** Another change was faster. */
class Overtaken extends Error {}

/** What a submission rests on, as it was a moment ago. */
export type LaneLook = { lane: LaneSeen; agent: Item<EdgeAgent> | undefined };

/** To be read together with something else, in one request: what {@link submitTogether} then goes by. */
export async function lookAtLane(deps: LedgerDeps, edge: string, name: string): Promise<LaneLook> {
  const [lane, agent] = await Promise.all([
    deps.changes.see(edge, name),
    deps.store.get<EdgeAgent>(keys.edgeAgent(edge)),
  ]);
  return { lane, agent };
}

/**
 * Queues commands of one user in one lane in the transaction that writes `beside`, which may have conditions.
 * @param look at the lane, from a moment ago (default: it is read). An agent that starts changes the lane, too.
 * @returns undefined, with nothing written, where one transaction does not hold them all, or an earlier submission of
 * many is still to be queued before them: see {@link submitMany}
 * @throws ConditionFailed when something was changed meanwhile: who asks decides anew
 * @throws QUEUE_FULL, UNSUPPORTED_OPERATION, BODY_TOO_LARGE
 * @throws RangeError for drafts of several lanes
 */
export async function submitTogether(
  deps: LedgerDeps,
  drafts: readonly Draft[],
  beside: readonly Write[],
  look?: LaneLook,
): Promise<Command[] | undefined> {
  const { edge, lane: name } = onlyLane(drafts);
  for (const draft of drafts) requireInputFits(draft);
  if (drafts.length > MOST) return undefined;
  // what waits for the lane will have changed it
  const seen = look && !deps.changes.isBusy(edge, name) ? look : undefined;
  const submitted = deps.changes.change<Command[] | undefined, Item<EdgeAgent> | undefined>({
    edge,
    lane: name,
    ...(seen && { seen: seen.lane }),
    read: async () => (seen ? seen.agent : deps.store.get<EdgeAgent>(keys.edgeAgent(edge))),
    async attempt(lane, agent, tries) {
      if (tries > 0) throw new Overtaken();
      requireAccepted(deps, lane, drafts, agent);
      if (lane.pending.length > 0) return { value: undefined };
      const now = deps.now();
      const writes: Write[] = [...beside];
      const commands: Command[] = [];
      let next = lane;
      for (const draft of drafts) {
        const command = commandOf(draft, { admission: "queue" }, ulid(now), now);
        commands.push(command);
        writes.push(deps.changes.put(command, 0), ...((await draft.records?.(command)) ?? []));
        next = enqueue(next, entryOf(command, now));
      }
      if (writes.length + LANE_WRITES > MAX_WRITES) return { value: undefined };
      return { lane: next, writes, value: commands };
    },
  });
  const commands = await submitted.catch((error: unknown) => {
    throw error instanceof Overtaken ? new ConditionFailed(0) : error;
  });
  if (commands) killPoint("submissions.together");
  return commands;
}
