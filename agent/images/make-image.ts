import { type ErrorCode, PerigeeError } from "#protocol/errors.ts";
import type { ImageName } from "#protocol/image-reference.ts";
import { LIMITS } from "#protocol/limits.ts";
import { inSpace } from "#protocol/names.ts";
import { type OperationContext, type OperationHandler, ShuttingDown } from "../operation.ts";
import { imageNameOf, makeOnce } from "./image-commit.ts";
import type { ImageDeps } from "./image-deps.ts";
import { type ImageDetails, type ImageStore, ImageWorkFailed } from "./image-store.ts";
import { LogTail } from "./log-tail.ts";

type Making = "image.build" | "image.load" | "image.compile" | "image.import";

/** What tells a build from a load. */
export type Recipe<O extends Making, P extends AsyncDisposable | undefined = undefined> = {
  /** the failure that users see, with `log_tail` */
  code: ErrorCode;
  message: string;
  /** errors that are the payload's own: their message is the end of its log */
  errors: readonly (abstract new (
    ...all: never[]
  ) => Error)[];
  /** gets what `make` needs and other commands need not wait for */
  prepare?(context: OperationContext<O>): Promise<P>;
  /** makes the image under the command's temporary name and returns its ID */
  make(
    context: OperationContext<O>,
    image: ImageName,
    tail: LogTail,
    stop: AbortSignal,
    prepared: P,
  ): Promise<string>;
  /** ports that it may say it listens on: runs are given each of them (default: any number, and runs name theirs) */
  mostPorts?: number;
  /** told of what it failed with, before what `prepare` got is gone; never throws */
  failed?(context: OperationContext<O>, error: unknown, tail: LogTail, prepared: P): Promise<void>;
};

/** An image that no run may be asked to carry. */
class OutOfBounds extends Error {
  override readonly name = "OutOfBounds";
}

/** What each run of an image costs the engine before its program has begun. @param ports most of them */
function assertBounds(made: ImageDetails | undefined, ports = Number.POSITIVE_INFINITY): void {
  const bounds = { env: LIMITS.imageConfigEntries, volumes: LIMITS.imageVolumes, ports } as const;
  for (const [field, most] of Object.entries(bounds)) {
    const count = made?.[field as keyof typeof bounds].length ?? 0;
    if (count > most)
      throw new OutOfBounds(`the image declares ${count} ${field}, at most ${most} are taken`);
  }
}

/**
 * The operation of a recipe: name checked, made once, its own failures told with the last lines of the log.
 * One that hangs until its deadline has failed like any other.
 */
export function makeImage<O extends Making, P extends AsyncDisposable | undefined = undefined>(
  store: ImageStore,
  deps: ImageDeps,
  recipe: Recipe<O, P>,
): OperationHandler<O> {
  return async (context) => {
    const { command, journal, signal } = context as OperationContext<Making>;
    const { input } = context as OperationContext<Making>;
    const image = imageNameOf(input.image, input.space);
    const owner = inSpace(command.user, input.space);
    const written = deps.openLog?.(command);
    const tail = new LogTail((text) => written?.write(text));
    const failed = (cause: unknown, reason: string) =>
      new PerigeeError(recipe.code, recipe.message, {
        // the data of a failure outside of all spaces is the EM's body, to the letter
        data: { log_tail: tail.lines(), ...(input.space !== undefined && { reason: tail.endOf(reason) }) },
        cause,
      });
    try {
      const refusal = store.refusal(owner, image);
      if (refusal) {
        tail.add(refusal);
        throw failed(undefined, refusal);
      }
      await makeOnce({
        store,
        deps,
        command: command.id,
        user: command.user,
        owner,
        image,
        journal,
        signal,
        // a recipe without it needs nothing
        prepare: async () => (await recipe.prepare?.(context)) as P,
        make: async (stop, prepared) => {
          try {
            const id = await recipe.make(context, image, tail, stop, prepared);
            assertBounds(await store.inspect(id), recipe.mostPorts);
            return id;
          } catch (error) {
            await recipe.failed?.(context, error, tail, prepared);
            throw error;
          }
        },
      });
    } catch (error) {
      if (error instanceof PerigeeError && error.code === recipe.code) throw error;
      if (isDeadline(error)) tail.add(error.message);
      else if ([OutOfBounds, ...recipe.errors].some((kind) => error instanceof kind))
        tail.add((error as Error).message);
      else if (!(error instanceof ImageWorkFailed)) throw error;
      throw failed(error, (error as Error).message);
    } finally {
      // One that is only interrupted goes on with its log when it is done again.
      if (!(signal.reason instanceof ShuttingDown)) written?.end();
    }
    const { log } = input as { log?: boolean };
    return (log ? { logTail: tail.lines() } : {}) as Awaited<ReturnType<OperationHandler<O>>>;
  };
}

/** Did a command run into its deadline? */
export function isDeadline(error: unknown): error is PerigeeError {
  return error instanceof PerigeeError && error.code === "DEADLINE_EXCEEDED";
}
