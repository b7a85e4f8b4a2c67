import { PerigeeError } from "#protocol/errors.ts";
import { killPoint } from "#protocol/kill-point.ts";
import { LIMITS } from "#protocol/limits.ts";
import { type Item, MAX_WRITES, type Write } from "../ports/ledger-store.ts";
import type { Command } from "./command.ts";
import type { Draft, Idempotency, SubmittedMany } from "./draft.ts";
import { type EdgeAgent, requireOperation } from "./edge-agent.ts";
import { FIRST_LANE } from "./first-lane.ts";
import { keys } from "./keys.ts";
import { enqueue, entryOf, type Lane, requireRoom } from "./lane.ts";
import type { Change } from "./lane-change.ts";
import type { LedgerDeps } from "./ledger-deps.ts";
import {
  commandOf,
  earlierOf,
  type IdempotencyRecord,
  idempotencyWrite,
  requireInputFits,
} from "./plan-submit.ts";
import { ulid } from "./ulid.ts";

/** What a submission of many commands is, for a replay of its key. */
type SubmissionHead = { ids: string[] };
/** One of its commands, until it is queued, with its dialect's records. */
type SubmissionPart = { command: Command; records: Write[] };

/** Commands in one transaction: with inputs as large as may be it stays under the 4 MB of DynamoDB. */
const AT_ONCE = 10;

/**
 * Queues any number of commands of one user in one lane: all or none, also where one transaction of the store does
 * not hold them. They are written beside the queue first; one transaction then accepts them all, under the
 * Idempotency-Key and the bounds of the queue; what follows, whoever comes next completes: a replay, the next
 * claim, the janitor.
 * @throws QUEUE_FULL, UNSUPPORTED_OPERATION, IDEMPOTENCY_KEY_REUSED, BODY_TOO_LARGE
 * @throws RangeError for drafts of several lanes, and for records with conditions, which could fail later
 */
export async function submitMany(
  deps: LedgerDeps,
  drafts: readonly Draft[],
  idempotency?: Idempotency,
): Promise<SubmittedMany> {
  const { user, edge, lane } = onlyLane(drafts);
  for (const draft of drafts) requireInputFits(draft);
  const id = ulid(deps.now());
  const read = () => readSubmit(deps, { user, edge }, idempotency);
  const [seen, current] = await Promise.all([read(), deps.changes.see(edge, lane)]);
  let written: Command[] = [];
  if (!(idempotency && earlierOf(idempotency, seen[1], deps.now()))) {
    // one that is refused anyway writes nothing
    requireAccepted(deps, current.lane, drafts, seen[0]);
    written = await writeParts(deps, id, drafts);
  }
  killPoint("submissions.written");
  const accepted = await deps.changes
    .change<string, Awaited<ReturnType<typeof read>>>({
      edge,
      lane,
      read,
      attempt: (now, beside) => accept(deps, now, { id, drafts, written, idempotency, seen: beside }),
    })
    .catch(async (error: unknown) => {
      // refused for certain; of any other failure nobody knows whether it was written
      if (error instanceof PerigeeError) await removeParts(deps, id, drafts.length).catch(() => undefined);
      throw error;
    });
  // an earlier one of the same key stands
  if (accepted !== id) await removeParts(deps, id, drafts.length);
  killPoint("submissions.accepted");
  await completeSubmissions(deps, edge, lane);
  // as they were accepted: nobody needs to wait until they are read again
  if (accepted === id) return { commands: written, replayed: false };
  const head = await deps.store.get<SubmissionHead>(keys.submission(accepted));
  const commands = await Promise.all((head?.data.ids ?? []).map((one) => deps.changes.command(user, one)));
  return { commands, replayed: true };
}

/** Queues the rest of the submissions that a lane has accepted. */
export async function completeSubmissions(deps: LedgerDeps, edge: string, lane: string): Promise<void> {
  const attempt = (current: Lane) => queueSome(deps, current);
  while (await deps.changes.change<boolean, void>({ edge, lane, read: async () => {}, attempt })) {
    killPoint("submissions.queued");
  }
}

type Seen = [Item<EdgeAgent> | undefined, Item<IdempotencyRecord> | undefined];

function readSubmit(
  { store }: LedgerDeps,
  { user, edge }: { user: string; edge: string },
  key: Idempotency | undefined,
): Promise<Seen> {
  return Promise.all([
    store.get<EdgeAgent>(keys.edgeAgent(edge)),
    key && store.get<IdempotencyRecord>(keys.idempotency(user, key.route, key.key)),
  ]);
}

/** @returns the id of the submission that stands: this one, or an earlier one of the same key */
function accept(
  deps: LedgerDeps,
  lane: Lane,
  of: {
    id: string;
    drafts: readonly Draft[];
    written: readonly Command[];
    idempotency: Idempotency | undefined;
    seen: Seen;
  },
): Change<string> {
  const { id, drafts, written, idempotency } = of;
  const [agent, known] = of.seen;
  const now = deps.now();
  const earlier = idempotency && earlierOf(idempotency, known, now);
  if (earlier?.submission !== undefined) return { value: earlier.submission };
  const { user, operation } = onlyLane(drafts);
  requireAccepted(deps, lane, drafts, agent);
  if (written.length === 0) throw new Error("the key of an earlier submission was forgotten just now");
  const ids = written.map((command) => command.id);
  const expiresAt = now + LIMITS.historyMs;
  const writes: Write[] = [{ put: { ...keys.submission(id), expiresAt, data: { ids } }, if: 0 }];
  if (idempotency) {
    writes.push(idempotencyWrite(user, idempotency, { submission: id }, { now, idempotency: known }));
  }
  const pending = { id, user, operation, since: now, left: drafts.length };
  return { lane: { ...lane, pending: [...lane.pending, pending] }, writes, value: id };
}

/** @throws UNSUPPORTED_OPERATION, QUEUE_FULL */
export function requireAccepted(
  deps: LedgerDeps,
  lane: Lane,
  drafts: readonly Draft[],
  agent: Item<EdgeAgent> | undefined,
): void {
  const { user, edge, lane: name } = onlyLane(drafts);
  for (const draft of drafts) requireOperation(edge, agent?.data, draft);
  requireRoom(lane, user, deps.lanes.require(name).bounds, drafts.length);
}

async function removeParts({ store }: LedgerDeps, id: string, count: number): Promise<void> {
  const deletes = Array.from({ length: count }, (_, n): Write => ({ delete: keys.submitted(id, n) }));
  for (let at = 0; at < count; at += MAX_WRITES) await store.transact(deletes.slice(at, at + MAX_WRITES));
}

/** The commands as they will be queued. Nobody sees them before they are accepted, and left over they expire. */
async function writeParts(deps: LedgerDeps, id: string, drafts: readonly Draft[]): Promise<Command[]> {
  const now = deps.now();
  const commands = drafts.map((draft) => commandOf(draft, { admission: "queue" }, ulid(now), now));
  const writes = await Promise.all(
    drafts.map(async (draft, n): Promise<Write> => {
      const command = commands[n]!;
      const records = (await draft.records?.(command)) ?? [];
      if (records.some((write) => write.if !== undefined)) {
        throw new RangeError("records of a submission of many commands have no conditions");
      }
      const data: SubmissionPart = { command, records };
      return { put: { ...keys.submitted(id, n), expiresAt: now + LIMITS.historyMs, data } };
    }),
  );
  for (let at = 0; at < writes.length; at += AT_ONCE)
    await deps.store.transact(writes.slice(at, at + AT_ONCE));
  return commands;
}

/** @returns whether there may be more */
async function queueSome({ store, changes }: LedgerDeps, lane: Lane): Promise<Change<boolean>> {
  const [first, ...others] = lane.pending;
  if (!first) return { value: false };
  const head = await store.get<SubmissionHead>(keys.submission(first.id));
  const from = (head?.data.ids.length ?? first.left) - first.left;
  const numbers = Array.from({ length: Math.min(AT_ONCE, first.left) }, (_, i) => from + i);
  const parts = await Promise.all(numbers.map((n) => store.get<SubmissionPart>(keys.submitted(first.id, n))));
  const writes: Write[] = [];
  let next = lane;
  let { left } = first;
  for (const part of parts) {
    if (part) {
      const { command, records } = part.data;
      const own = [changes.put(command, 0), { delete: { pk: part.pk, sk: part.sk } }, ...records];
      // the lane is one more
      if (writes.length > 0 && writes.length + own.length >= MAX_WRITES) break;
      writes.push(...own);
      next = enqueue(next, entryOf(command, command.createdAt));
    }
    left--;
  }
  const pending = left > 0 ? [{ ...first, left }, ...others] : others;
  return { lane: { ...next, pending }, writes, value: pending.length > 0 };
}

/** Where the commands of a submission go. @throws RangeError for several lanes */
export function onlyLane(drafts: readonly Draft[]) {
  const [first] = drafts;
  if (!first) throw new RangeError("a submission has a command at least");
  const { user, edge, lane = FIRST_LANE, operation } = first;
  const same = drafts.every(
    (draft) => draft.user === user && draft.edge === edge && (draft.lane ?? FIRST_LANE) === lane,
  );
  if (!same) throw new RangeError("the commands of a submission go to one lane of one user");
  return { user, edge, lane, operation };
}
