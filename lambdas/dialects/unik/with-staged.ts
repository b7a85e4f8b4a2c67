import type { InputOf, OperationName, StagedFile } from "#protocol/operations.ts";
import type { Reservation } from "../../dispatch/dispatch.ts";
import type { Write } from "../../ports/ledger-store.ts";
import { optimistically } from "../../ports/optimistically.ts";
import type { Asked } from "./asked.ts";
import {
  answered,
  outOfContact,
  preferredBy,
  type Respond,
  type Reword,
  repeatedAnswer,
  requireContact,
  type Seen,
} from "./change.ts";
import { seenBy } from "./get-objects.ts";
import { turnWrites } from "./holdings.ts";
import { earlierBy, type Keyed, keyedBy, keyWrite } from "./keyed.ts";
import { UNIK_LANE } from "./lane.ts";
import { giveBack, isMultipart } from "./multipart-body.ts";
import { keys, type OfCommand } from "./records.ts";

/** What is to be done with what has been staged: checked again, as its parameters may have come with it. */
export type StagedPlan<O extends OperationName> = { input: InputOf<O>; of: OfCommand; writes: Write[] };

type WithStaged<O extends OperationName> = {
  operation: O;
  /** Refuses what can be known before anything is staged. @returns what it takes at most, where that is known */
  before: (seen: Seen) => undefined | { bytes: number } | Promise<{ bytes: number }>;
  /** Refuses what is looked at only once the edge is known to be in contact. */
  ready?: () => void;
  /** Stages the file under `prefix`, of at most `allowance` bytes; undefined where there is none. */
  stage: (place: { prefix: string; allowance: number }) => Promise<StagedFile | undefined>;
  plan: (seen: Seen, command: { id: string }, hasFile: boolean) => StagedPlan<O>;
  respond: Respond<O>;
  reword?: Reword;
};

/**
 * Does what comes with a staged file: a place in the queue is kept while it is staged. Of uploads none is found again by
 * an Idempotency-Key.
 */
export async function changeWithStaged<O extends OperationName>(
  asked: Asked,
  { operation, before, ready, stage, plan, respond, reword }: WithStaged<O>,
): Promise<Response> {
  const { c, core, owner } = asked;
  const { user, edge } = owner;
  const preferred = preferredBy(asked);
  const keyed = isMultipart(c) ? undefined : await keyedBy(asked);
  const earlier = keyed && (await earlierBy<O>(asked, keyed, preferred));
  if (earlier) return answered(asked, earlier, preferred, respond, reword);
  const [repeated, seen] = await Promise.all([asked.repeat?.earlier(), seenBy(asked)]);
  const joined = await repeatedAnswer<O>(asked, repeated, preferred);
  if (joined) return answered(asked, joined, preferred, respond, reword);
  const known = await before(seen);
  await requireContact(asked, preferred);
  ready?.();
  const { admission, wait } = preferred;
  const reservation = await core.dispatch.reserve<O>({
    user,
    edge,
    lane: UNIK_LANE.name,
    operation,
    admission,
    wait,
    patient: true,
    ...known,
  });
  try {
    const prefix = reservation.prefix("_");
    const { allowance } = reservation;
    const file = await stage({ prefix, allowance });
    const input = await record(asked, reservation, keyed, (seen) =>
      plan(seen, reservation.command, file !== undefined),
    );
    const answer = await reservation.complete({ volume: "_", prefix, files: file ? [file] : [], input });
    return await answered(asked, answer, preferred, respond, reword);
  } catch (error) {
    await giveBack(core, reservation, error);
    throw outOfContact(asked, error);
  }
}

/** Writes what a command is for before it is queued: its end finds it. @returns its input */
function record<O extends OperationName>(
  asked: Asked,
  { command }: Reservation<O>,
  keyed: Keyed | undefined,
  plan: (seen: Seen) => StagedPlan<O>,
): Promise<InputOf<O>> {
  const { core, owner, repeat } = asked;
  return optimistically(async () => {
    const seen = await seenBy(asked);
    const { input, of, writes } = plan(seen);
    await core.records.transact([
      ...turnWrites(owner, seen.holdings.turn),
      { put: { ...keys.command(command.id), data: of } },
      ...(keyed ? [keyWrite(keyed, command.id, core.now())] : []),
      ...(repeat ? [repeat.write(command.id)] : []),
      ...writes,
    ]);
    repeat?.written();
    return input;
  });
}
