import { pipeline, type Readable } from "node:stream";
import { constants, createZstdDecompress } from "node:zlib";
import { ZSTD_WINDOW_LOG } from "#protocol/link-encoding.ts";

/** The bytes that a compressed body stands for; fails where that does, is cut, or is not zstd. */
export function decoded(body: Readable): Readable {
  const decoder = createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG } });
  // the error reaches the reader of the decoder
  return pipeline(body, decoder, () => undefined);
}
