import { promisify } from "node:util";
import { constants, zstdCompress } from "node:zlib";
import { ZSTD_WINDOW_LOG } from "#protocol/link-encoding.ts";

const compress = promisify(zstdCompress);

/** Finds what repeats any of 12 MiB before it, some MB a second; the highest level saves a third more at a sixth of that. */
const PARAMS = {
  [constants.ZSTD_c_compressionLevel]: 12,
  [constants.ZSTD_c_windowLog]: ZSTD_WINDOW_LOG + 1,
  [constants.ZSTD_c_hashLog]: 22,
  [constants.ZSTD_c_chainLog]: 22,
};

/** `bytes` as zstd with `old` as its dictionary; undefined when that saves nothing. */
export async function pack(bytes: Buffer, old: Buffer): Promise<Buffer | undefined> {
  try {
    const made = await compress(bytes, { dictionary: old, params: PARAMS, pledgedSrcSize: bytes.length });
    return made.length < bytes.length ? made : undefined;
  } catch {
    // content that begins like a dictionary of zstd's own format, and is none
    return undefined;
  }
}
