import * as z from "zod";
import { stagedFile } from "#protocol/operations.ts";
import type { PartOf } from "./part-files.ts";

/** A file of an upload in parts: where it goes, and how it comes. */
export const plannedFile = stagedFile.extend({
  /** CRC32 of each part, 8 hex digits; none for an empty file, of which nothing has to come */
  crc32: z.array(z.string()),
  /** id of its upload in staging; absent when it is one part, which comes as a whole object */
  upload: z.string().optional(),
});
export type PlannedFile = z.infer<typeof plannedFile>;

/** An upload in parts as it was opened. It lies in staging beside the files, as it may be too long for the ledger. */
export const uploadPlan = z.object({ volume: z.string(), partSize: z.number(), files: z.array(plannedFile) });
export type UploadPlan = z.infer<typeof uploadPlan>;

/** A part of a plan's file, by the file's number. */
export type PlannedPart = PartOf<PlannedFile>;
