import * as z from "zod";
import { FIELD_BOUNDS } from "./field-bounds.ts";
import { LIMITS } from "./limits.ts";
import { label, space } from "./names.ts";
import { mountPoint } from "./pod-run.ts";

/** One part of a compiler's name `base-language-provider`. */
const part = z.string().regex(/^[a-z]{1,16}$/);

/** Pods, and their image, that a new image takes the place of: removed once it is there, and not before. */
export const imageReplaces = z.object({
  image: z.string().max(FIELD_BOUNDS.image.bytes).optional(),
  pods: z.array(label).max(1000),
});

/** The input of `image.compile`: staged file 0 is an archive of sources (tar; gzip or zstd of one), of any path. */
export const imageCompile = z.object({
  space: space.optional(),
  /** the name of what comes out */
  image: z.string().max(FIELD_BOUNDS.image.bytes),
  base: part,
  language: part,
  provider: part,
  /** directories that the image is to have, for volumes */
  mountPoints: z.array(mountPoint).max(LIMITS.podMounts),
  /** of the application, split as a shell splits words, with nothing expanded */
  args: z.string().max(LIMITS.startBytes),
  /** what a Dockerfile may call images of the space, `name:tag`: others are the user's outside of it, then public ones */
  bases: z.record(z.string(), z.object({ image: z.string().max(FIELD_BOUNDS.image.bytes) })).optional(),
  replaces: imageReplaces.optional(),
  /** What a failure leaves is kept for the operator of the edge. An agent that does not know this keeps nothing. */
  noCleanup: z.boolean().optional(),
});
export type ImageCompile = z.infer<typeof imageCompile>;

export const compiledImage = z.object({
  /** what the image takes on the edge */
  bytes: z.number().int().nonnegative(),
  /** that the application listens on, as it says */
  ports: z.array(z.number().int().min(1).max(65535)),
});
