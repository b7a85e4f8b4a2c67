import { PerigeeError } from "#protocol/errors.ts";
import { inSpace } from "#protocol/names.ts";
import type { OperationHandler, OperationHandlers } from "../operation.ts";
import { loadImage } from "./archive/load-image.ts";
import { buildImage } from "./build/build-image.ts";
import { imageNameOf } from "./image-commit.ts";
import type { ImageDeps } from "./image-deps.ts";
import type { ImageStore } from "./image-store.ts";
import { exportImage } from "./transfer/export-image.ts";
import { importImage } from "./transfer/import-image.ts";

export type ImageHandlers = Pick<
  OperationHandlers,
  | "image.build"
  | "image.load"
  | "image.export"
  | "image.import"
  | "image.list"
  | "image.delete"
  | "edge.publish"
>;

/** The operations on images. */
export function imageHandlers(store: ImageStore, deps: ImageDeps): ImageHandlers {
  return {
    "image.build": buildImage(store, deps),
    "image.load": loadImage(store, deps),
    "image.export": exportImage(store),
    "image.import": importImage(store, deps),
    "image.list": async ({ command, input }) => ({
      images: await store.list(inSpace(command.user, input.space)),
    }),
    "image.delete": deleteImage(store, deps),
    "edge.publish": async ({ input }) => {
      await store.publish(input.image);
      return {};
    },
  };
}

/** @throws PerigeeError IMAGE_NOT_FOUND, IMAGE_IN_USE */
function deleteImage(store: ImageStore, deps: ImageDeps): OperationHandler<"image.delete"> {
  return async ({ command, input, journal, signal }) => {
    const image = imageNameOf(input.image, input.space);
    const owner = inSpace(command.user, input.space);
    for (const pod of input.pods ?? []) await deps.removePod(command.user, pod, signal);
    const begun = journal.notes.some((note) => note.step === "commit");
    if (!begun) {
      if (!store.owns(owner, image)) {
        throw new PerigeeError("IMAGE_NOT_FOUND", `There is no image ${input.image}`);
      }
      if (await deps.isImageInUse(owner, image.name, image.tag)) {
        throw new PerigeeError("IMAGE_IN_USE", `A pod that has not terminated runs ${input.image}`);
      }
      journal.note("commit");
    }
    await store.remove(owner, image);
    return {};
  };
}
