import { buffer } from "node:stream/consumers";
import { promisify } from "node:util";
import { zstdCompress } from "node:zlib";
import { KiB } from "#protocol/limits.ts";
import { WORTH_COMPRESSING, ZSTD_IN_BLOCKS } from "#protocol/link-encoding.ts";
import type { DirectoryStaging } from "./staging.ts";

const compress = promisify(zstdCompress);

/** A larger range is sent as it is: it would be held in memory, and compressed, for whoever has its URL. */
const MOST = 256 * KiB;

/** A range of an object as zstd; undefined where it is too large, or that does not pay. */
export async function compressedRange(
  staging: Pick<DirectoryStaging, "get">,
  key: string,
  range: { start: number; end: number },
): Promise<Buffer<ArrayBuffer> | undefined> {
  if (range.end - range.start >= MOST) return undefined;
  const { body, size } = await staging.get(key, range);
  const made = await compress(await buffer(body), { params: ZSTD_IN_BLOCKS });
  return made.length <= size * WORTH_COMPRESSING ? (made as Buffer<ArrayBuffer>) : undefined;
}
