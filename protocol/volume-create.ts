import * as z from "zod";
import { LIMITS } from "./limits.ts";
import { label, space } from "./names.ts";

/** The one file of a volume that is a disk. */
export const DISK_FILE = "disk.img";

/** Makes a volume that does not exist yet: VOLUME_EXISTS else. */
export const volumeCreate = z.object({
  space: space.optional(),
  volume: label,
  /** a directory, or one that holds a disk image with this file system */
  kind: z.enum(["directory", "ext2", "fat"]),
  /** what is in it at first: nothing, or staged file 0 of any path: an archive (tar; gzip or zstd of one), or the bytes of a disk */
  source: z.enum(["empty", "tar", "raw"]),
  /** a directory's limit, a disk's size; absent: as large as the data */
  sizeBytes: z.number().int().positive().max(LIMITS.volumeBytes).optional(),
});
export type VolumeCreate = z.infer<typeof volumeCreate>;
