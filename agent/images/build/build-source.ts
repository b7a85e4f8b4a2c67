import { inSpace } from "#protocol/names.ts";
import type { Directory } from "../../files/directory.ts";
import type { OperationContext } from "../../operation.ts";
import type { ImageDeps } from "../image-deps.ts";

/** Where a build reads its context and its Dockerfile. */
export type BuildSource = AsyncDisposable & {
  /** undefined: there is no such volume */
  readonly directory: Directory | undefined;
};

/**
 * Opens the volume of a build, or receives its staged files, and then waits for what building takes. @throws what
 * receiving them throws, the signal's reason
 */
export async function openSource(
  deps: ImageDeps,
  context: OperationContext<"image.build">,
): Promise<BuildSource> {
  const { command, input } = context;
  if (!("volume" in input.source)) {
    const received = await deps.receiveStaged(context);
    try {
      await context.acquire(context.signal);
      return received;
    } catch (error) {
      await received[Symbol.asyncDispose]();
      throw error;
    }
  }
  const directory = deps.openVolume(command.user, inSpace(input.source.volume, input.space));
  return {
    directory,
    async [Symbol.asyncDispose]() {
      directory?.close();
    },
  };
}
