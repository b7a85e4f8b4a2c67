import { PerigeeError } from "#protocol/errors.ts";
import type { OperationHandlers } from "../operation.ts";

/** The operation on jobs. */
export function jobHandlers(): Pick<OperationHandlers, "job.run"> {
  return {
    async "job.run"() {
      throw new PerigeeError("NOT_SUPPORTED", "The edge does not run jobs yet");
    },
  };
}
