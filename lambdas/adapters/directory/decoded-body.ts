import { finished, type Readable } from "node:stream";
import { constants, createZstdDecompress } from "node:zlib";
import { PerigeeError } from "#protocol/errors.ts";
import { ZSTD_WINDOW_LOG } from "#protocol/link-encoding.ts";

/**
 * The bytes that a compressed body stands for. How many there may be is for the reader to hold. The body is never
 * destroyed: it may be a request that still has to be answered. Fails with CHECKSUM_MISMATCH for what is not zstd.
 */
export function decodedBody(body: Readable): Readable {
  const decoder = createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG } });
  body.pipe(decoder);
  finished(body, { writable: false }, (error) => {
    if (error) decoder.destroy(error);
  });
  finished(decoder, { writable: false }, () => body.unpipe(decoder));
  decoder.on("error", () => undefined);
  return decoder;
}

/** What a decoder says of bytes that it cannot read, as the ground says it; any other error as it is. */
export function undecodable(error: unknown): unknown {
  const { code } = error as { code?: unknown };
  const ours = typeof code === "string" && /^(ZSTD_error_|Z_)/.test(code);
  return ours ? new PerigeeError("CHECKSUM_MISMATCH", "The content is not zstd", { cause: error }) : error;
}
