import type { Budget } from "../budget/budget.ts";
import type { Directory } from "../files/directory.ts";
import type { OperationContext } from "../operation.ts";

/** What the image operations need to know of the rest of the agent. */
export type ImageDeps = {
  /** Opens a user's volume (its name with its space) for the caller to close; undefined when there is none. */
  openVolume(user: string, volume: string): Directory | undefined;
  /** Receives a command's staged files into a place of their own, which goes when it is disposed of. */
  receiveStaged(
    context: Pick<OperationContext, "command" | "manifest" | "fetchInto" | "progress" | "signal">,
  ): Promise<AsyncDisposable & { readonly directory: Directory }>;
  /** Removes what an earlier attempt of a command received and left when it was cut; nothing there is no error. */
  discardStaged(command: string): Promise<void>;
  /** gives out the user's quota */
  budget: Budget;
  /** Does a pod that has not terminated run this name of the owner's? */
  isImageInUse(owner: string, name: string, tag: string): Promise<boolean>;
  /** Kills a pod and forgets it; one that is not there is no error. */
  removePod(user: string, pod: string, signal: AbortSignal): Promise<void>;
  /** Where a command writes its log for users to read while it works; default: nowhere. */
  openLog?(command: { id: string; user: string }): { write(text: string): void; end(): void };
  /** bytes that may still be written before the free-space floor is met; default: no floor */
  room?(): number;
  /** bytes beneath a directory of the host */
  measure?(directory: string): Promise<number>;
  /** architectures of the nodes, as images name them; default: the engine's own */
  architectures?: readonly string[];
};
