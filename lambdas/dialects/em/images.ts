import { type ErrorCode, PerigeeError } from "#protocol/errors.ts";
import { json, utcSeconds } from "./answers.ts";
import type { EmContext, EmDeps } from "./deps.ts";
import { VOLUME_FIELDS } from "./field-names.ts";
import { requiredField } from "./form-values.ts";
import { ownImage } from "./image-fields.ts";
import { volumeName } from "./names.ts";
import { pathInVolume } from "./path-rules.ts";
import { perform } from "./perform.ts";
import { readFields } from "./read-fields.ts";

/** POST /em/pod/image/build */
export async function buildImage(c: EmContext, deps: EmDeps): Promise<Response> {
  const fields = await readFields(c, [...VOLUME_FIELDS, "image", "dockerfile", "context"]);
  const image = ownImage("image", requiredField(fields, "image"));
  const volume = volumeName(fields);
  const texts = [requiredField(fields, "dockerfile"), requiredField(fields, "context")] as const;
  const [dockerfile, context] = asFailure("BUILD_FAILED", "Docker build failed", () => [
    pathInVolume("dockerfile", texts[0]),
    pathInVolume("context", texts[1]),
  ]);
  return perform(c, deps, {
    operation: "image.build",
    input: { source: { volume }, dockerfile: dockerfile!, context: context!, image },
    respond: () => json({ message: "Docker Image built successfully" }),
  });
}

/** POST /em/pod/image/load */
export async function loadImage(c: EmContext, deps: EmDeps): Promise<Response> {
  const fields = await readFields(c, [...VOLUME_FIELDS, "image", "tarfile"]);
  const image = ownImage("image", requiredField(fields, "image"));
  const volume = volumeName(fields);
  const text = requiredField(fields, "tarfile");
  const tarfile = asFailure("IMAGE_LOAD_FAILED", "Docker Image tarfile failed to load", () =>
    pathInVolume("tarfile", text),
  );
  return perform(c, deps, {
    operation: "image.load",
    input: { volume, tarfile, image },
    respond: () => json({ message: "Tar file loaded successfully" }),
  });
}

/** GET, POST /em/pod/image/list */
export async function listImages(c: EmContext, deps: EmDeps): Promise<Response> {
  await readFields(c, []);
  return perform(c, deps, {
    operation: "image.list",
    input: {},
    respond: ({ images }) =>
      json({
        message: "Successfully loaded list of docker images",
        data: images.map(({ name, tag, id, size, created }) => ({
          name,
          tag,
          id,
          size,
          created: utcSeconds(created),
        })),
      }),
  });
}

/** POST /em/pod/image/delete */
export async function deleteImage(c: EmContext, deps: EmDeps): Promise<Response> {
  const fields = await readFields(c, ["image"]);
  return perform(c, deps, {
    operation: "image.delete",
    input: { image: ownImage("image", requiredField(fields, "image")) },
    respond: () => json({ message: "Docker Image deleted successfully" }),
  });
}

/** The page knows no 403 on these two routes: a path out of the volume fails as a missing one does. */
function asFailure<T>(code: ErrorCode, message: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof PerigeeError) || error.code !== "ILLEGAL_PATH") throw error;
    throw new PerigeeError(code, message, { data: { log_tail: [`${error.message}\n`] } });
  }
}
