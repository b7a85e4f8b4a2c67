import { promisify } from "node:util";
import { constants, zstdDecompress } from "node:zlib";
import { ZSTD_WINDOW_LOG } from "#protocol/link-encoding.ts";

const decompress = promisify(zstdDecompress);

/** The `size` bytes that were packed with `old`, checked by nothing else. @throws Error when it is not that many, or no zstd */
export async function unpack(packed: Buffer, old: Buffer, size: number): Promise<Buffer> {
  const params = { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG };
  const bytes = await decompress(packed, { dictionary: old, params, maxOutputLength: size });
  if (bytes.length !== size) throw new RangeError(`it stands for ${bytes.length} bytes, not ${size}`);
  return bytes;
}
