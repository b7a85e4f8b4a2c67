import { Readable } from "node:stream";
import { Xxh64 } from "@node-rs/xxhash";
import { contentPin, type RangedSource } from "../../files/ranged-source.ts";
import { END_OF_TAR, fileHeader, paddingOf } from "../../files/tar-header.ts";
import type { ArchiveSource } from "./archive-stream.ts";
import { file, layerName, manifestOf } from "./emit-image.ts";
import { LayerCheck } from "./layer-check.ts";
import type { SavedImage } from "./saved-image.ts";

/** Bytes of our own, or some of the saved archive. */
type Piece = Buffer | { start: number; length: number };

/**
 * The archive that `emitImage` would write without a name, with files of ours at its beginning; its layers are read from
 * where they were saved, so that they need not be written once more. Each is looked at here.
 * @param saved a tar that is not compressed and does not change; open for as long as this is read
 * @throws TarError for a layer that is not what the config says, the signal's reason
 */
export async function assembleImage(
  saved: ArchiveSource,
  image: SavedImage,
  { first, signal }: { first: Record<string, Buffer>; signal: AbortSignal },
): Promise<RangedSource & { readonly xxh64: bigint }> {
  const hash = new Xxh64();
  const pieces: Piece[] = [];
  const add = (bytes: Buffer) => {
    hash.update(bytes);
    pieces.push(bytes);
  };
  for (const [name, content] of Object.entries({ ...first, "config.json": image.config })) {
    for (const bytes of file(name, content)) add(bytes);
  }
  // what they may take was bounded when they were made
  const budget = { left: Number.POSITIVE_INFINITY };
  for (const layer of image.layers) {
    const { start, size } = layer;
    add(fileHeader(layerName(layer), size));
    const check = new LayerCheck(layer, size, budget);
    for await (const chunk of saved.read(start, size)) {
      signal.throwIfAborted();
      hash.update(chunk as Buffer);
      await check.check(chunk as Buffer);
    }
    await check.end();
    pieces.push({ start, length: size });
    add(paddingOf(size));
  }
  for (const bytes of file("manifest.json", manifestOf(image))) add(bytes);
  add(END_OF_TAR);
  const size = pieces.reduce((sum, { length }) => sum + length, 0);
  const xxh64 = hash.digest();
  return {
    size,
    xxh64,
    pin: contentPin(xxh64, size),
    read: (start, length) =>
      Readable.from(bytesOf(saved, pieces, start, start + length), { objectMode: false }),
  };
}

/** The bytes of the pieces from `start` to before `end`. */
async function* bytesOf(
  saved: ArchiveSource,
  pieces: readonly Piece[],
  start: number,
  end: number,
): AsyncGenerator<Buffer> {
  let at = 0;
  for (const piece of pieces) {
    if (at >= end) return;
    const from = Math.max(0, start - at);
    const to = Math.min(piece.length, end - at);
    at += piece.length;
    if (from >= to) continue;
    if (Buffer.isBuffer(piece)) yield piece.subarray(from, to);
    else yield* saved.read(piece.start + from, to - from) as AsyncIterable<Buffer>;
  }
}
