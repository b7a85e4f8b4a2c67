import { PerigeeError } from "#protocol/errors.ts";
import type { Budget } from "../../budget/budget.ts";
import {
  type OperationContext,
  type OperationHandler,
  type OperationHandlers,
  ShuttingDown,
} from "../../operation.ts";
import type { FpgaStore } from "./fpga-store.ts";
import { receiveFile } from "./receive-file.ts";
import { TransferLog } from "./transfer-log.ts";

export type FpgaDeps = {
  store: FpgaStore;
  budget: Pick<Budget, "reserve" | "take">;
  /** an image of a user is not here any more */
  removed?(user: string, image: string): void;
};

/** The operations on files for FPGAs. */
export function fpgaHandlers(deps: FpgaDeps): Pick<OperationHandlers, "fpga.store" | "fpga.delete"> {
  return {
    "fpga.store": storeHandler(deps),
    "fpga.delete": async ({ command, input, signal, journal }) => {
      signal.throwIfAborted();
      journal.note("commit");
      await deps.store.remove(command.user, input.image);
      deps.removed?.(command.user, input.image);
      return {};
    },
  };
}

/**
 * Holds a staged file as an image: received beside, checked, durable, then `commit` is noted and it is put in place. A
 * file that the user has here already is not sent again, if it still has its digest.
 * @throws PerigeeError CHECKSUM_MISMATCH, QUOTA_EXCEEDED, STORAGE_FULL
 */
function storeHandler({ store, budget }: FpgaDeps): OperationHandler<"fpga.store"> {
  return async (asked) => {
    const { command, input, journal, signal } = asked;
    const { image, sha256, bytes } = input;
    const isCommitted = journal.notes.some(({ step }) => step === "commit");
    const added = (await store.hasWholeFile(command.user, sha256, signal)) ? 0 : bytes;
    const said = new TransferLog(journal, bytes);
    const context: typeof asked = {
      ...asked,
      progress(progress) {
        said.arrived(progress.done ?? 0);
        asked.progress(progress);
      },
    };
    said.say(said.isBegun ? "the agent started anew" : `begun: ${bytes} bytes with the SHA-256 ${sha256}`);
    if (added === 0) said.say("an equal file is here: nothing is sent");
    try {
      using reserved = isCommitted
        ? budget.take(command.user, added)
        : await budget.reserve(command.user, added);
      if (!isCommitted) {
        if (added > 0) await receive(store, context);
        signal.throwIfAborted();
        if (added > 0) said.say("all of it is here, with the announced SHA-256");
        journal.note("commit", { image });
      }
      await reserved.land(async () => {
        // another command may have taken the file away meanwhile, or a sweep what this one had received
        while (!(await store.place(command.user, command.id, input))) await receive(store, context);
      });
    } catch (error) {
      // an agent that stops goes on with what it has received at its next start
      if (!(error instanceof ShuttingDown)) store.discardIncoming(command.id);
      if (signal.aborted || !(error instanceof PerigeeError)) throw error;
      const { code, message, cause, data } = error;
      said.say(`${code}: ${message}`);
      throw new PerigeeError(code, message, { cause, data: { ...data, log: said.text } });
    }
    said.say("stored");
    return { sha256, bytes, log: said.text };
  };
}

function receive(store: FpgaStore, context: OperationContext<"fpga.store">): Promise<void> {
  const { command, input } = context;
  const file = { path: store.incoming(command.id), bytes: input.bytes, sha256: input.sha256 };
  return receiveFile(file, context, (more) => store.assertRoom(more));
}
