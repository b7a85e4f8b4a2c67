import * as z from "zod";
import { FIELD_BOUNDS } from "./field-bounds.ts";
import { imageReplaces } from "./image-compile.ts";
import { LIMITS } from "./limits.ts";
import { space } from "./names.ts";

const image = z.string().max(FIELD_BOUNDS.image.bytes);

/** The input of `image.export`: an own image leaves the edge as one archive, `image.json` and the image. */
export const imageExport = z.object({
  space: space.optional(),
  image,
  /** what `image.json` says of it, beside what the edge knows itself */
  about: z.record(z.string().max(100), z.unknown()),
  /** bytes that the archive may have */
  maxBytes: z.number().int().positive().max(LIMITS.uplinkBytes),
});
export type ImageExport = z.infer<typeof imageExport>;

/** The input of `image.import`: staged file 0 is an archive that `image.export` made, somewhere. */
export const imageImport = z.object({
  space: space.optional(),
  /** the name that it gets; what it is called inside means nothing */
  image,
  replaces: imageReplaces.optional(),
});
