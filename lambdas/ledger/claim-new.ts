import { isTerminal } from "#protocol/state.ts";
import { type Item, MAX_WRITES } from "../ports/ledger-store.ts";
import { fitting } from "./claim-budget.ts";
import type { Command } from "./command.ts";
import type { Entry } from "./entry.ts";
import { claimed, isOver, type Lane, nextToClaim, release } from "./lane.ts";
import type { LaneSeen } from "./lane-change.ts";
import type { LedgerDeps } from "./ledger-deps.ts";
import { requireEpoch } from "./refusals.ts";

/** New commands that one claim takes from a lane: each is one write, beside the lane's. */
const MOST = MAX_WRITES - 2;

export type TakeNew = {
  /** of the lane */
  name: string;
  room: number;
  epoch: number;
  turn: number;
  /** the agent tells of grants */
  grants?: boolean;
  /** what the commands may take of the answer */
  bytes: number;
  seen?: LaneSeen;
};

/** `queued → running` for up to `room` commands of one lane; `more`: it could give another one. */
export async function takeNew(
  deps: LedgerDeps,
  edge: string,
  of: TakeNew,
): Promise<{ commands: Command[]; more: boolean }> {
  const { changes, now } = deps;
  const { name, epoch, grants } = of;
  const options = deps.lanes.require(name);
  return changes.change<{ commands: Command[]; more: boolean }, void>({
    edge,
    lane: name,
    ...(of.seen && { seen: of.seen }),
    read: async () => {},
    async attempt(lane, _read, tries) {
      requireEpoch(lane, epoch);
      const at = now();
      const next = nextToClaim(lane, options, Math.min(of.room, MOST)).filter((entry) => !isOver(entry, at));
      const items = await Promise.all(next.map((entry) => itemOf(deps, lane, entry, tries)));
      const count = fitting(
        items.map((item) => item?.data),
        of.bytes,
      );
      const turn = latestTurn(lane, of);
      let rest = lane;
      const taken: Entry[] = [];
      const commands: Command[] = [];
      const writes = next.slice(0, count).flatMap((entry, i) => {
        const item = items[i];
        if (!item || isTerminal(item.data.state)) {
          // Cannot be: lane and command change together. Do not let a broken pair stop the lane for ever.
          rest = release(rest, entry.id);
          return [];
        }
        const command: Command = {
          ...item.data,
          state: "running",
          epoch,
          order: [epoch, turn],
          attempts: item.data.attempts + 1,
          claimedAt: item.data.claimedAt ?? at,
          ...(grants && { grants }),
        };
        taken.push(entry);
        commands.push(command);
        return [changes.put(command, item.rev)];
      });
      if (count === 0) return { value: { commands, more: next.length > 0 } };
      const after = claimed(rest, taken, { epoch, turn, by: epoch }, at);
      return {
        lane: after,
        writes,
        value: { commands, more: nextToClaim(after, options, 1).length > 0 },
      };
    },
  });
}

/**
 * A claim that was delayed on its way comes after claims that were made later: what it takes has not come before theirs.
 */
function latestTurn({ running }: Lane, { epoch, turn }: Pick<TakeNew, "epoch" | "turn">): number {
  const turns = running.flatMap(({ claim }) => (claim?.epoch === epoch ? claim.turn : []));
  return Math.max(turn, ...turns);
}

/** As it was written first, where the lane's record has it: if it was changed since, the condition fails. */
async function itemOf(
  { changes }: LedgerDeps,
  lane: Lane,
  { id, user }: Entry,
  tries: number,
): Promise<Pick<Item<Command>, "data" | "rev"> | undefined> {
  const fresh = tries === 0 ? lane.fresh[id] : undefined;
  return fresh ? { data: fresh, rev: 1 } : changes.item(user, id);
}
