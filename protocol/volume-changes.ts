import * as z from "zod";

/** Names what one downlink of a directory has brought. */
export const listingId = z.string().regex(/^[0-9A-Za-z]{1,40}$/);

/** The first entry of a directory's tar that was asked for with `since`, whatever else the directory has of that name. */
export const CHANGES_FILE = ".perigee-changes.json";

/** The content of {@link CHANGES_FILE}. First what is gone goes, then what is in the tar is put in its place. */
export const volumeChanges = z.object({
  /** the listing that the tar has the changes since; null: the tar has everything */
  since: listingId.nullable(),
  /** to ask with the next time */
  listing: listingId,
  /** paths in the directory, what is in a directory before it; a directory ends in `/` */
  gone: z.array(z.string()),
  /** the same of names that are no UTF-8: their bytes as base64 */
  gone_base64: z.array(z.string()).default([]),
});
export type VolumeChanges = z.infer<typeof volumeChanges>;
