/** Sizes in bytes of what the checks read and keep (docs/decisions/265-checks-of-fpga-files.md). */
export const CHECK_BOUNDS = {
  /** a file is at least this long, so that every magic is whole */
  minFile: 64,
  /** 512 MiB */
  maxFile: 536_870_912,
  /** the part of a file in which foreign formats, the sync word and the IDCODE packet are looked for */
  head: 65_536,
  /** the part in which DESYNC is looked for */
  tail: 4096,
  /** longest metadata of an AEI container that is read */
  aeiMetadata: 65_536,
  /** most sections of an xclbin */
  sections: 65_536,
} as const;
