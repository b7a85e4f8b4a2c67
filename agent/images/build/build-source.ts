import { inSpace } from "#protocol/names.ts";
import type { Directory } from "../../files/directory.ts";
import type { OperationContext } from "../../operation.ts";
import type { ImageDeps } from "../image-deps.ts";

/** Where a build reads its context and its Dockerfile. */
export type BuildSource = AsyncDisposable & {
  /** undefined: there is no such volume */
  readonly directory: Directory | undefined;
};

/** Opens the volume of a build, or receives its staged files. @throws what receiving them throws */
export async function openSource(
  deps: ImageDeps,
  context: OperationContext<"image.build">,
): Promise<BuildSource> {
  const { command, input } = context;
  if (!("volume" in input.source)) return deps.receiveStaged(context);
  const directory = deps.openVolume(command.user, inSpace(input.source.volume, input.space));
  return {
    directory,
    async [Symbol.asyncDispose]() {
      directory?.close();
    },
  };
}
