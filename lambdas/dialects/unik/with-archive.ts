import { PerigeeError } from "#protocol/errors.ts";
import type { OperationName } from "#protocol/operations.ts";
import { byteQuotaExceeded } from "#protocol/quota-exceeded.ts";
import type { Asked } from "./asked.ts";
import type { Respond, Seen } from "./change.ts";
import { isMultipart, receiveArchive, requirePassing } from "./multipart-body.ts";
import type { Parameters } from "./parameters.ts";
import { changeWithStaged, type StagedPlan } from "./with-staged.ts";

type WithArchive<O extends OperationName> = {
  operation: O;
  /** Refuses what can be known before the body is read. */
  before: (seen: Seen) => void;
  /** @param hasFile whether the form held one */
  plan: (seen: Seen, command: { id: string }, hasFile: boolean) => StagedPlan<O>;
  respond: Respond<O>;
};

/** Does what comes with an archive in a form. */
export function changeWithArchive<O extends OperationName>(
  asked: Asked,
  parameters: Parameters,
  { operation, before, plan, respond }: WithArchive<O>,
): Promise<Response> {
  const { c, core } = asked;
  return changeWithStaged<O>(asked, {
    operation,
    before(seen) {
      before(seen);
      return undefined;
    },
    ready() {
      if (!isMultipart(c)) throw new PerigeeError("INVALID_PARAMETERS", "must be a multipart form");
      requirePassing(c, core);
    },
    async stage(place) {
      // before any of the body is read
      if (place.allowance <= 0) throw byteQuotaExceeded();
      return receiveArchive(c, core, place, parameters);
    },
    plan,
    respond,
  });
}
