import { Readable } from "node:stream";
import { PerigeeError } from "#protocol/errors.ts";
import { killPoint } from "#protocol/kill-point.ts";
import { LIMITS } from "#protocol/limits.ts";
import { inSpace } from "#protocol/names.ts";
import { xxh64Text } from "#protocol/xxh64-text.ts";
import type { OperationContext, OperationHandler } from "../../operation.ts";
import { ArchiveFile } from "../archive/archive-stream.ts";
import { emitImage, file } from "../archive/emit-image.ts";
import { readSavedImage } from "../archive/saved-image.ts";
import { imageNameOf } from "../image-commit.ts";
import type { ImageStore } from "../image-store.ts";
import { publishedConfig } from "./published-config.ts";

type Context = OperationContext<"image.export">;

/** Numbers of what is gathered: the archive that is sent, and the engine's that it is written from. */
const SENT = 0;
const SAVED = 1;

/**
 * Sends an own image as one archive: `image.json`, then the image without its names, its history and its labels of ours.
 * @throws PerigeeError IMAGE_NOT_FOUND; QUOTA_EXCEEDED over the given bytes; STORAGE_FULL
 */
export function exportImage(store: ImageStore): OperationHandler<"image.export"> {
  return async (context) => {
    const { command, input, progress } = context;
    const owner = inSpace(command.user, input.space);
    // never a public one, which the name might mean as well
    const own = store.owns(owner, imageNameOf(input.image, input.space))
      ? await store.resolve(owner, input.image)
      : undefined;
    if (!own) throw new PerigeeError("IMAGE_NOT_FOUND", `There is no image ${input.image}`);
    const { architecture = "" } = (await store.inspect(own.id)) ?? {};
    progress({ phase: "gathering" });
    const make = () => Readable.from(archiveOf(store, own.id, context), { objectMode: false });
    using archive = await context.spool(SENT, make, input.maxBytes);
    killPoint("images.gathered");
    const content = await context.store(SENT, archive, input.maxBytes);
    return { content, xxh64: xxh64Text(archive.xxh64), architecture };
  };
}

async function* archiveOf(
  store: ImageStore,
  id: string,
  { input, spool, signal }: Context,
): AsyncGenerator<Buffer> {
  using saved = await spool(SAVED, () => store.save(id, signal), input.maxBytes);
  killPoint("images.saved");
  // its bytes are bounded by what was gathered
  const maxBytes = Number.POSITIVE_INFINITY;
  const archive = new ArchiveFile(saved, { maxBytes, maxEntries: LIMITS.archiveEntries });
  const { architecture } = await store.platform();
  const own = (await store.inspect(id))?.architecture || architecture;
  const image = await readSavedImage(archive, { architectures: [own] }, signal);
  const { config, told } = publishedConfig(image.config);
  yield* file("image.json", Buffer.from(JSON.stringify({ Image: input.about, ...told })));
  yield* emitImage(archive, { ...image, config }, { maxBytes, signal });
}
