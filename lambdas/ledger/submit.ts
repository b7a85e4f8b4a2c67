import type { Item, Write } from "../ports/ledger-store.ts";
import type { Command } from "./command.ts";
import { inContact } from "./contact.ts";
import type { Draft, Entrance, Idempotency, Submitted } from "./draft.ts";
import type { EdgeAgent } from "./edge-agent.ts";
import { FIRST_LANE } from "./first-lane.ts";
import { keys } from "./keys.ts";
import type { LedgerDeps } from "./ledger-deps.ts";
import {
  earlierOf,
  type IdempotencyRecord,
  idempotencyWrite,
  planSubmit,
  requireInputFits,
} from "./plan-submit.ts";
import { type Elsewhere, NOTHING_ELSEWHERE, reservedElsewhere } from "./reservations.ts";
import { ulid } from "./ulid.ts";

type Read = [boolean, Item<EdgeAgent> | undefined, Item<IdempotencyRecord> | undefined, Elsewhere];

/**
 * Writes a command, or finds the earlier one of the same Idempotency-Key: reads, lets {@link planSubmit} decide,
 * writes; and again when another change of the lane was faster.
 */
export async function submit(deps: LedgerDeps, draft: Draft, entrance: Entrance): Promise<Submitted> {
  requireInputFits(draft);
  const { changes, store } = deps;
  const { edge, lane = FIRST_LANE, idempotency } = draft;
  const options = deps.lanes.require(lane);
  const read = (): Promise<Read> =>
    Promise.all([
      inContact(deps, edge),
      store.get<EdgeAgent>(keys.edgeAgent(edge)),
      idempotency &&
        store.get<IdempotencyRecord>(keys.idempotency(draft.user, idempotency.route, idempotency.key)),
      entrance.staging ? reservedElsewhere(deps, draft, lane) : NOTHING_ELSEWHERE,
    ]);
  return changes.change<Submitted, Read>({
    edge,
    lane,
    read,
    // what a dialect's records rest on is its own affair
    ...(!draft.records && { together: { apart: apartOf(draft) } }),
    async attempt(current, [contact, agent, known, elsewhere]) {
      const now = deps.now();
      const earlier = idempotency && earlierOf(idempotency, known, now);
      if (earlier?.command !== undefined) {
        const command = await changes.command(draft.user, earlier.command);
        // One that was withdrawn was in truth refused, and a refusal stores nothing.
        if (command.state !== "expired") return { value: { command, replayed: true } };
      }
      const seen = {
        lane: current,
        options,
        now,
        inContact: contact,
        agent: agent?.data,
        reserved: elsewhere.reserved,
        idempotency: known,
      };
      const planned = planSubmit(draft, entrance, ulid(now), seen);
      const { command } = planned;
      const records = (await draft.records?.(command)) ?? [];
      const writes: Write[] = [changes.put(command, 0), ...elsewhere.writes, ...records];
      if (idempotency) writes.push(idempotencyWrite(draft.user, idempotency, { command: command.id }, seen));
      return { lane: planned.lane, writes, value: { command, replayed: false } };
    },
  });
}

/**
 * The command that an earlier submit with the same Idempotency-Key has made, which a further one would answer with.
 * @throws IDEMPOTENCY_KEY_REUSED when the key stands for another request
 */
export async function earlierCommand(
  { changes, store, now }: LedgerDeps,
  user: string,
  idempotency: Idempotency,
): Promise<Command | undefined> {
  const known = await store.get<IdempotencyRecord>(
    keys.idempotency(user, idempotency.route, idempotency.key),
  );
  const earlier = earlierOf(idempotency, known, now());
  if (earlier?.command === undefined) return undefined;
  const command = await changes.command(user, earlier.command);
  return command.state === "expired" ? undefined : command;
}

/** Of two calls with one key the second has to find what the first has written. */
function apartOf({ user, idempotency }: Draft): string | undefined {
  return idempotency && JSON.stringify([user, idempotency.route, idempotency.key]);
}
