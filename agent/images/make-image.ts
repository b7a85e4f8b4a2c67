import { type ErrorCode, PerigeeError } from "#protocol/errors.ts";
import type { ImageName } from "#protocol/image-reference.ts";
import { LIMITS } from "#protocol/limits.ts";
import { inSpace } from "#protocol/names.ts";
import type { OperationContext, OperationHandler } from "../operation.ts";
import { imageNameOf, makeOnce } from "./image-commit.ts";
import type { ImageDeps } from "./image-deps.ts";
import { type ImageDetails, type ImageStore, ImageWorkFailed } from "./image-store.ts";
import { LogTail } from "./log-tail.ts";

type Making = "image.build" | "image.load";

/** What tells a build from a load. */
export type Recipe<O extends Making> = {
  /** the failure that users see, with `log_tail` */
  code: ErrorCode;
  message: string;
  /** errors that are the payload's own: their message is the end of its log */
  errors: readonly (abstract new (
    ...all: never[]
  ) => Error)[];
  /** makes the image under the command's temporary name and returns its ID */
  make(context: OperationContext<O>, image: ImageName, tail: LogTail, stop: AbortSignal): Promise<string>;
};

/** An image that no run may be asked to carry. */
class OutOfBounds extends Error {
  override readonly name = "OutOfBounds";
}

/** What each run of an image costs the engine before its program has begun. */
function assertBounds(made: ImageDetails | undefined): void {
  const bounds = { env: LIMITS.imageConfigEntries, volumes: LIMITS.imageVolumes } as const;
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
export function makeImage<O extends Making>(
  store: ImageStore,
  deps: ImageDeps,
  recipe: Recipe<O>,
): OperationHandler<O> {
  return async (context) => {
    const { command, journal, signal } = context as OperationContext<Making>;
    const { input } = context as OperationContext<Making>;
    const image = imageNameOf(input.image, input.space);
    const owner = inSpace(command.user, input.space);
    const tail = new LogTail();
    const failed = (cause: unknown) =>
      new PerigeeError(recipe.code, recipe.message, { data: { log_tail: tail.lines() }, cause });
    const refusal = store.refusal(owner, image);
    if (refusal) {
      tail.add(refusal);
      throw failed(undefined);
    }
    try {
      await makeOnce({
        store,
        deps,
        command: command.id,
        user: command.user,
        owner,
        image,
        journal,
        signal,
        make: async (stop) => {
          const id = await recipe.make(context, image, tail, stop);
          assertBounds(await store.inspect(id));
          return id;
        },
      });
    } catch (error) {
      if (error instanceof PerigeeError && error.code === "DEADLINE_EXCEEDED") tail.add(error.message);
      else if ([OutOfBounds, ...recipe.errors].some((kind) => error instanceof kind))
        tail.add((error as Error).message);
      else if (!(error instanceof ImageWorkFailed)) throw error;
      throw failed(error);
    }
    const { log } = input as { log?: boolean };
    return (log ? { logTail: tail.lines() } : {}) as Awaited<ReturnType<OperationHandler<O>>>;
  };
}
