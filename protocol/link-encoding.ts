/**
 * Content that is compressed between agent and ground alone: the body is what zstd makes of the bytes that are meant.
 * `Content-Encoding` would mean other content of the object, and those who pass it on may act by it.
 */
export const LINK_ENCODING = {
  header: "Perigee-Encoding",
  /** of a request for a range: who asks takes it compressed */
  accept: "Perigee-Accept-Encoding",
  zstd: "zstd",
} as const;

/**
 * Compressed bytes of a block, about: of what is cut on its way the blocks that came whole count. It is zstd's
 * ZSTD_c_targetCBlockSize, for which Node has no name.
 */
export const ZSTD_IN_BLOCKS: Readonly<Record<number, number>> = { 130: 4096 };

/** It pays where at least a tenth is saved. */
export const WORTH_COMPRESSING = 0.9;

/** Log2 of the memory that a decoder takes at most: a part is no larger. */
export const ZSTD_WINDOW_LOG = 23;
