import { PerigeeError } from "#protocol/errors.ts";
import { ShuttingDown } from "../operation.ts";

/**
 * Stops a running command: on cancel, at its deadline or at shutdown. After the note `commit` only a shutdown stops it,
 * unless the operation handles cancels itself.
 */
export class CommandStop {
  readonly #controller = new AbortController();
  readonly #killed = new AbortController();
  #handled: AbortController | undefined;
  #cancelled = false;
  #committed = false;

  /** Aborts when the operation is to stop; the reason is what it ends with. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Aborts when the command is to end at once. */
  get killed(): AbortSignal {
    return this.#killed.signal;
  }

  get committed(): boolean {
    return this.#committed;
  }

  /** From now on the command only goes forward. */
  commit(): void {
    this.#committed = true;
  }

  /** @param kill at once: also after a cancel that gave it time */
  cancel(kill = false): void {
    this.#cancelled = true;
    if (kill) this.#killed.abort(CANCELLED());
    if (this.#handled) this.#handled.abort(CANCELLED());
    else this.#stop(CANCELLED());
  }

  deadline(seconds: number): void {
    this.#stop(new PerigeeError("DEADLINE_EXCEEDED", `The command ran into its deadline of ${seconds} s`));
  }

  shutDown(): void {
    this.#controller.abort(new ShuttingDown("the agent is stopping"));
  }

  /** As OperationContext.handleCancel says; one that came before counts. */
  handleCancel(): AbortSignal {
    this.#handled ??= new AbortController();
    if (this.#cancelled) this.#handled.abort(CANCELLED());
    return this.#handled.signal;
  }

  #stop(reason: Error): void {
    if (!this.#committed) this.#controller.abort(reason);
  }
}

const CANCELLED = () => new PerigeeError("CANCELLED", "The command was cancelled");
