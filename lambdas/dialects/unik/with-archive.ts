import type { InputOf, OperationName } from "#protocol/operations.ts";
import type { Reservation } from "../../dispatch/dispatch.ts";
import type { Write } from "../../ports/ledger-store.ts";
import { optimistically } from "../../ports/optimistically.ts";
import type { Asked } from "./asked.ts";
import { answered, outOfContact, preferredBy, type Respond, requireContact, type Seen } from "./change.ts";
import { seenBy } from "./get-objects.ts";
import { turnWrites } from "./holdings.ts";
import { UNIK_LANE } from "./lane.ts";
import { giveBack, receiveArchive } from "./multipart-body.ts";
import type { Parameters } from "./parameters.ts";
import { keys, type OfCommand } from "./records.ts";

/** What is to be done with what has been staged: checked again, as its parameters may have come with it. */
export type ArchivePlan<O extends OperationName> = { input: InputOf<O>; of: OfCommand; writes: Write[] };

type WithArchive<O extends OperationName> = {
  operation: O;
  /** Refuses what can be known before the body is read. */
  before: (seen: Seen) => void;
  /** @param hasFile whether the form held one */
  plan: (seen: Seen, command: { id: string }, hasFile: boolean) => ArchivePlan<O>;
  respond: Respond<O>;
};

/** Does what comes with an archive: a place in the queue is kept while the body is read. */
export async function changeWithArchive<O extends OperationName>(
  asked: Asked,
  parameters: Parameters,
  { operation, before, plan, respond }: WithArchive<O>,
): Promise<Response> {
  const { c, core, owner } = asked;
  const { user, edge } = owner;
  const preferred = preferredBy(asked);
  before(await seenBy(asked));
  await requireContact(asked, preferred);
  const { admission, wait } = preferred;
  const reservation = await core.dispatch.reserve<O>({
    user,
    edge,
    lane: UNIK_LANE.name,
    operation,
    admission,
    wait,
  });
  try {
    const prefix = reservation.prefix("_");
    const { allowance } = reservation;
    const file = await receiveArchive(c, core, { prefix, allowance }, parameters);
    const input = await record(asked, reservation, (seen) =>
      plan(seen, reservation.command, file !== undefined),
    );
    const answer = await reservation.complete({ volume: "_", prefix, files: file ? [file] : [], input });
    return await answered(asked, answer, preferred, respond);
  } catch (error) {
    await giveBack(core, reservation, error);
    throw outOfContact(asked, error);
  }
}

/** Writes what a command is for before it is queued: its end finds it. @returns its input */
function record<O extends OperationName>(
  asked: Asked,
  { command }: Reservation<O>,
  plan: (seen: Seen) => ArchivePlan<O>,
): Promise<InputOf<O>> {
  const { core, owner } = asked;
  return optimistically(async () => {
    const seen = await seenBy(asked);
    const { input, of, writes } = plan(seen);
    await core.records.transact([
      ...turnWrites(owner, seen.holdings.turn),
      { put: { ...keys.command(command.id), data: of } },
      ...writes,
    ]);
    return input;
  });
}
