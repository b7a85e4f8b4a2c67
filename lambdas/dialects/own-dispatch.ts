import type { Dispatch } from "../dispatch/dispatch.ts";
import type { Draft } from "../ledger/draft.ts";
import type { DialectCore } from "./core.ts";
import type { OwnRecords } from "./own-records.ts";

/** The dispatch as one dialect has it: what it writes with a submit are its own records. */
export function ownDispatch(dispatch: DialectCore["dispatch"], own: OwnRecords): DialectCore["dispatch"] {
  const owned = <D extends Pick<Draft, "records">>(draft: D): D => {
    const { records } = draft;
    return records ? { ...draft, records: async (command) => own.writes(await records(command)) } : draft;
  };
  const run: Dispatch["run"] = (request) => dispatch.run(owned(request));
  return {
    run,
    reserve: (request) => dispatch.reserve(request),
    submitMany: (drafts, idempotency) => dispatch.submitMany(drafts.map(owned), idempotency),
    submitTogether: (drafts, beside, look) =>
      dispatch.submitTogether(drafts.map(owned), own.writes(beside), look),
    lookAtLane: (edge, lane) => dispatch.lookAtLane(edge, lane),
    stage: (draft, kept) => dispatch.stage(owned(draft), kept),
    queueKept: (command, input) => dispatch.queueKept(command, input),
    withdraw: (command, failure) => dispatch.withdraw(command, failure),
    expire: (command) => dispatch.expire(command),
    requireContact: (edge) => dispatch.requireContact(edge),
    cancel: (user, id, options) => dispatch.cancel(user, id, options),
  };
}
