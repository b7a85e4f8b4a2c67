import * as z from "zod";
import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS, MiB } from "#protocol/limits.ts";
import type { InputOf } from "#protocol/operations.ts";
import { VOLUME_FIELDS } from "../fields/field-names.ts";
import { invalid } from "../fields/form-values.ts";
import { volumeName } from "../fields/names.ts";
import { pathInVolume } from "../fields/path-rules.ts";
import { knownFields } from "../fields/read-fields.ts";
import type { Fields } from "../http/fields.ts";
import { placed, UPLINK_FIELDS } from "./placed.ts";
import { noFiles, tooManyFiles, uplinkTooLarge } from "./uplink-refusals.ts";
import type { PlannedFile, UploadPlan } from "./upload-plan.ts";

const DIGITS_16 = /^[0-9a-f]{16}$/i;
const DIGITS_8 = /^[0-9a-f]{8}$/i;
/** XXH64 of nothing. */
const EMPTY = "ef46db3751d8e999";
const HASH_RULE = "must be the XXH64 (seed 0) of the file, 16 hex digits";
const CRC_RULE = "must be a CRC32, 8 hex digits";
const SIZE_RULE = "must be a whole number of bytes";
const PART_SIZE_RULE = `must be a whole number of bytes from ${LIMITS.partBytesLeast / MiB} MiB to ${LIMITS.partBytesMost / MiB} MiB`;

/** A text that may be left out, empty or null, as in a form. */
const optionalText = z.string("must be a text").nullish();

const file = z.object({
  path: z.string("must be a text").min(1, "is required"),
  size: z.number(SIZE_RULE).int(SIZE_RULE).min(0, SIZE_RULE),
  checksum: z.string(HASH_RULE).regex(DIGITS_16, HASH_RULE),
  crc32: z
    .array(z.string(CRC_RULE).regex(DIGITS_8, CRC_RULE), "must be a list, one for each part")
    .default([]),
});

const SHA_RULE = "must be a SHA-256, 64 hex digits";
const sha256 = z.string(SHA_RULE).regex(/^[0-9a-f]{64}$/i, SHA_RULE);
/** What one file is when the content that comes is a delta of it: as in `files`. */
const delta = z.object({
  size: file.shape.size.max(LIMITS.uplinkBytes, `must be at most ${LIMITS.uplinkBytes}`),
  checksum: file.shape.checksum,
  sha256,
  base: sha256.optional(),
});

/** The body of POST /uplinks. */
export const openRequest = z.object({
  pod_name: optionalText,
  pvc_name: optionalText,
  dest_path: optionalText,
  part_size: z
    .number(PART_SIZE_RULE)
    .int(PART_SIZE_RULE)
    .min(LIMITS.partBytesLeast, PART_SIZE_RULE)
    .max(LIMITS.partBytesMost, PART_SIZE_RULE)
    .default(LIMITS.partBytes),
  files: z.array(file, "must be a list of files").default([]),
  delta: delta.optional(),
});

const NUMBER_RULE = "must be a whole number";
const part = z.object({
  file: z.number(NUMBER_RULE).int(NUMBER_RULE).min(0, NUMBER_RULE),
  part: z.number(NUMBER_RULE).int(NUMBER_RULE).min(1, NUMBER_RULE),
});

/** The body of POST /uplinks/{id}/parts. */
export const partsRequest = z.object({
  parts: z
    .array(part, "must be a list of parts")
    .min(1, "must name a part")
    .max(LIMITS.partUrls, `must name at most ${LIMITS.partUrls} parts`)
    .optional(),
});

/**
 * What POST /uplinks asks for, by the rules of an uplink: paths under `dest_path`, of several files for one path
 * the last counts.
 * @param query where a volume may be named too
 * @throws NO_FILES, TOO_MANY_FILES, MAX_UPLINK_SIZE_EXCEEDED, ILLEGAL_PATH, INVALID_PARAMETERS
 */
export function readOpenRequest(body: unknown, query: Fields = new Map()): UploadPlan {
  const count = (body as { files?: unknown } | null)?.files;
  if (Array.isArray(count) && count.length > LIMITS.uplinkFiles) {
    throw tooManyFiles();
  }
  const { files, part_size: partSize } = parse(openRequest, body);
  if (files.length === 0) throw noFiles();
  if (files.reduce((sum, { size }) => sum + size, 0) > LIMITS.uplinkBytes) throw uplinkTooLarge();
  const given: Fields = new Map(Object.entries(body as object).map(([name, value]) => [name, [value]]));
  const fields = knownFields([query, given], UPLINK_FIELDS);
  const volume = volumeName(fields);
  for (const [i, { size, checksum, crc32 }] of files.entries()) {
    if (size === 0 && checksum.toLowerCase() !== EMPTY) {
      throw invalid(`files.${i}.checksum`, `must be ${EMPTY}, as the file is empty`);
    }
    const parts = Math.ceil(size / partSize);
    if (crc32.length === parts) continue;
    throw invalid(`files.${i}.crc32`, `must hold ${parts}: one for each part of ${partSize} bytes`);
  }
  const received = files.map(({ path, size, checksum }, n) => {
    return { n, name: path, size, xxh64: checksum.toLowerCase() };
  });
  const planned = placed(fields, received).map((staged): PlannedFile => {
    return { ...staged, crc32: files[staged.n]!.crc32.map((crc) => crc.toLowerCase()) };
  });
  return { volume, partSize, files: planned };
}

/**
 * What the file of an upload is to be when its content is a delta; undefined when it is the file itself.
 * @throws INVALID_PARAMETERS for a delta of several files, DELTA_BASE_CHANGED for one that names no `base`
 */
export function readDelta(body: unknown, plan: UploadPlan): InputOf<"volume.patch"> | undefined {
  const { delta } = parse(openRequest, body);
  if (delta === undefined) return undefined;
  const [only, ...others] = plan.files;
  if (only === undefined || others.length > 0) throw invalid("delta", "is of one file");
  const { size, checksum, ...of } = delta;
  // A client of an earlier version, whose delta is of another kind: for this answer it sends the whole file.
  if (of.base === undefined) {
    throw new PerigeeError("DELTA_BASE_CHANGED", "The delta does not name the file that it is made for");
  }
  return {
    volume: plan.volume,
    path: only.path,
    count: 1,
    bytes: size,
    sha256: of.sha256.toLowerCase(),
    xxh64: checksum.toLowerCase(),
    base: of.base.toLowerCase(),
  };
}

const baseRequest = z.object({
  pod_name: optionalText,
  pvc_name: optionalText,
  filepath: z.string("must be a text").min(1, "is required"),
});

/** The body of POST /uplinks/base. @throws INVALID_PARAMETERS, ILLEGAL_PATH */
export function readBaseRequest(body: unknown): InputOf<"volume.chunks"> {
  const { filepath } = parse(baseRequest, body);
  const given: Fields = new Map(Object.entries(body as object).map(([name, value]) => [name, [value]]));
  const volume = volumeName(knownFields([given], VOLUME_FIELDS));
  return { volume, path: pathInVolume("filepath", filepath) };
}

/** @throws INVALID_PARAMETERS, naming the first field that breaks its rule */
export function parse<T extends z.ZodType>(schema: T, body: unknown): z.infer<T> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  if (issue?.path.length) throw invalid(issue.path.join("."), issue.message);
  throw new PerigeeError("INVALID_PARAMETERS", "The body must be a JSON object");
}
