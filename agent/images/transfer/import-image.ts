import { LIMITS } from "#protocol/limits.ts";
import type { Directory } from "../../files/directory.ts";
import { withOnlyFile } from "../../files/only-file.ts";
import { FileShrank } from "../../files/read-exactly.ts";
import { TarError } from "../../files/tar-parser.ts";
import type { OperationContext, OperationHandler } from "../../operation.ts";
import { LoadError, loadArchive } from "../archive/load-archive.ts";
import type { ImageDeps } from "../image-deps.ts";
import type { ImageStore } from "../image-store.ts";
import { makeImage } from "../make-image.ts";
import { takePlace } from "../take-place.ts";

type Staged = AsyncDisposable & { readonly directory: Directory };

/**
 * Makes an image of a staged archive of whatever origin. What it takes the place of is removed once it has its name.
 * @throws PerigeeError IMAGE_LOAD_FAILED with `log_tail` and `reason`
 */
export function importImage(store: ImageStore, deps: ImageDeps): OperationHandler<"image.import"> {
  const make = makeImage<"image.import", Staged>(store, deps, {
    code: "IMAGE_LOAD_FAILED",
    message: "The image cannot be loaded",
    errors: [LoadError, TarError, FileShrank],
    mostPorts: LIMITS.instancePorts,
    prepare: (context) => received(deps, context),
    make: ({ command, progress }, _, tail, signal, { directory }) =>
      withOnlyFile(directory, (fd) => loadArchive(fd, { command, progress, store, deps, tail, signal })),
  });
  return async (context) => {
    await make(context);
    return takePlace(store, deps, context);
  };
}

/** Receives the archive, and then waits for what making an image takes. */
async function received(deps: ImageDeps, context: OperationContext<"image.import">): Promise<Staged> {
  const staged = await deps.receiveStaged(context);
  try {
    await context.acquire(context.signal);
    return staged;
  } catch (error) {
    staged.directory.close();
    await staged[Symbol.asyncDispose]();
    throw error;
  }
}
