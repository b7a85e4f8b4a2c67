import * as z from "zod";
import { FIELD_BOUNDS } from "./field-bounds.ts";
import { label, space } from "./names.ts";
import { volumePath } from "./volume-path.ts";

const imageBuild = z.object({
  space: space.optional(),
  /** where context and Dockerfile are: a volume of the user's, or the command's staged files */
  source: z.union([z.object({ volume: label }), z.object({ staged: z.literal(true) })]),
  /** in the source */
  dockerfile: volumePath,
  context: volumePath,
  image: z.string().max(FIELD_BOUNDS.image.bytes),
  /** no step is taken from the engine's cache */
  noCache: z.boolean().optional(),
  /**
   * What the Dockerfile may call by a name of the dialect's, `name:tag`: an image of the space, or one that only
   * another edge has. Other names mean the user's images outside of the space, then the public ones.
   */
  bases: z
    .record(z.string(), z.union([z.object({ image: z.string() }), z.object({ edge: z.string() })]))
    .optional(),
  /** the result is to have the end of the log */
  log: z.boolean().optional(),
});
export type ImageBuild = z.infer<typeof imageBuild>;

/** What versions up to 0.2 take. Never changed. */
export type FirstImageBuild = { volume: string; dockerfile: string; context: string; image: string };

/** The input of `image.build`; what versions up to 0.2 sent or recorded is read as a build from a volume. */
export const imageBuildInput = z.preprocess(
  (input) => (isFirstBuild(input) ? fromFirstBuild(input) : input),
  imageBuild,
);

function isFirstBuild(input: unknown): input is FirstImageBuild {
  return typeof input === "object" && input !== null && "volume" in input && !("source" in input);
}

function fromFirstBuild({ volume, ...same }: FirstImageBuild): ImageBuild {
  return { ...same, source: { volume } };
}

/** The same build for an agent of version 0.2 or older; undefined when it cannot do it. Pure. */
export function toFirstBuild(build: ImageBuild): FirstImageBuild | undefined {
  const { source, space: own, log, dockerfile, context, image } = build;
  if (!("volume" in source) || own !== undefined || log || hasBuildOptions(build)) return undefined;
  return { volume: source.volume, dockerfile, context, image };
}

/** Does it say what agents take that have the feature `build-options`, and no others? */
export function hasBuildOptions({ noCache, bases }: ImageBuild): boolean {
  return noCache === true || bases !== undefined;
}
