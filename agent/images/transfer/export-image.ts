import { PerigeeError } from "#protocol/errors.ts";
import { killPoint } from "#protocol/kill-point.ts";
import { LIMITS } from "#protocol/limits.ts";
import { inSpace } from "#protocol/names.ts";
import { byteQuotaExceeded } from "#protocol/quota-exceeded.ts";
import { xxh64Text } from "#protocol/xxh64-text.ts";
import type { Spooled } from "../../files/spool.ts";
import type { OperationContext, OperationHandler } from "../../operation.ts";
import { ArchiveFile } from "../archive/archive-stream.ts";
import { assembleImage } from "../archive/assembled-image.ts";
import { readSavedImage } from "../archive/saved-image.ts";
import { imageNameOf } from "../image-commit.ts";
import type { ImageStore } from "../image-store.ts";
import { publishedConfig } from "./published-config.ts";

type Context = OperationContext<"image.export">;

/** Number of the spooled file: 0 was the finished archive in earlier versions, which a push that goes on may still have. */
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
    using saved = await context.spool(SAVED, () => store.save(own.id, context.signal), input.maxBytes);
    killPoint("images.saved");
    const archive = await archiveOf(architecture || (await store.platform()).architecture, saved, context);
    if (archive.size > input.maxBytes) throw byteQuotaExceeded();
    killPoint("images.gathered");
    const content = await context.store(0, archive, input.maxBytes);
    return { content, xxh64: xxh64Text(archive.xxh64), architecture };
  };
}

async function archiveOf(architecture: string, saved: Spooled, { input, signal }: Context) {
  // its bytes are bounded by what was gathered
  const bounds = { maxBytes: Number.POSITIVE_INFINITY, maxEntries: LIMITS.archiveEntries };
  const archive = new ArchiveFile(saved, bounds);
  const image = await readSavedImage(archive, { architectures: [architecture] }, signal);
  const { config, told } = publishedConfig(image.config);
  const about = Buffer.from(JSON.stringify({ Image: input.about, ...told }));
  return assembleImage(saved, { ...image, config }, { first: { "image.json": about }, signal });
}
