import type { Dispatch } from "../dispatch/dispatch.ts";
import type { DialectCore } from "./core.ts";
import type { OwnRecords } from "./own-records.ts";

/** The dispatch as one dialect has it: what it writes with a submit are its own records. */
export function ownDispatch(dispatch: DialectCore["dispatch"], own: OwnRecords): DialectCore["dispatch"] {
  const run: Dispatch["run"] = (request) => {
    const { records } = request;
    if (!records) return dispatch.run(request);
    return dispatch.run({ ...request, records: async (command) => own.writes(await records(command)) });
  };
  return {
    run,
    reserve: (request) => dispatch.reserve(request),
    submitMany: (drafts, idempotency) => dispatch.submitMany(drafts, idempotency),
    cancel: (user, id) => dispatch.cancel(user, id),
  };
}
