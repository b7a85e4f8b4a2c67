import * as z from "zod";
import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import { readIdempotency } from "../../../http/idempotency-key.ts";
import { json } from "../../../http/json-answer.ts";
import { rawTarget } from "../../../http/raw-request.ts";
import { utcSeconds } from "../../../http/utc-seconds.ts";
import { readJsonBody } from "../../../uplinks/json-body.ts";
import type { PartedFile, PartOf } from "../../../uplinks/part-files.ts";
import { parse } from "../../../uplinks/request.ts";
import { missingView, signedPartView, urlsExpireAt } from "../../../uplinks/view.ts";
import type { DialectContext } from "../../dialect.ts";
import { splitTarget } from "../auth/signed-request.ts";
import { OBJECTS } from "../base-path.ts";
import { callerIn } from "../caller-of-request.ts";
import type { FpgaParts } from "../parts.ts";
import { isBucket } from "../rules.ts";
import { OBJECT_BOUNDS } from "./bucket-record.ts";
import type { ObjectUpload } from "./object-uploads.ts";
import { isKey, LOGS, type ShownObject } from "./user-objects.ts";

const SIZE_RULE = `must be a whole number of bytes up to ${OBJECT_BOUNDS.bytes}`;
const KEY_RULE = "has 1 to 64 letters, digits, hyphens, underscores, slashes and dots, and is not . or ..";
const LOGS_RULE = `does not begin with ${LOGS}, where the logs of images are`;
const CRC_RULE = "must be a CRC32, 8 hex digits";
const PARTS_RULE = "must be a list of parts, all of one size but the last, which make the object together";

/** The body of `POST /fpga/objects`. */
export const objectRequest = z.object({
  bucket: z.string("must be a text"),
  key: z.string("must be a text"),
  size: z.number(SIZE_RULE).int(SIZE_RULE).min(0, SIZE_RULE).max(OBJECT_BOUNDS.bytes, SIZE_RULE),
  parts: z.array(
    z.object({
      size: z.number(SIZE_RULE).int(SIZE_RULE).min(1, SIZE_RULE),
      crc32: z.string(CRC_RULE).regex(/^[0-9a-fA-F]{8}$/, CRC_RULE),
    }),
    PARTS_RULE,
  ),
});

/** `POST /fpga/objects`: opens an upload in parts. */
export async function openObject(c: DialectContext, parts: FpgaParts): Promise<Response> {
  const { core, uploads } = parts;
  const { account } = callerIn(c);
  const asked = parse(objectRequest, await readJsonBody(c, LIMITS.bodyBytes));
  const { bucket, key } = asked;
  // no client could name `..` in a path to delete it
  if (!isKey(key) || /^\.\.?$/.test(key)) throw new PerigeeError("INVALID_PARAMETERS", `key: ${KEY_RULE}`);
  if (key.startsWith(LOGS)) throw new PerigeeError("INVALID_PARAMETERS", `key: ${LOGS_RULE}`);
  const edge = await core.resolveEdge(account.name, c.req.header("perigee-edge"));
  const idempotency = readIdempotency(c.req.header("idempotency-key"), "fpga.objects", asked);
  const upload = await uploads.open(account, edge, {
    bucket,
    key,
    ...layoutOf(asked),
    ...(idempotency && { idempotency }),
  });
  const data = await withMissing(parts, upload);
  return json({ message: "Upload opened", data }, 201);
}

/** `POST /fpga/objects/{id}/parts`: URLs for what is missing, or for the parts that are named. */
export async function signObjectParts(c: DialectContext, parts: FpgaParts): Promise<Response> {
  const asked = parse(partsOfObject, (await readJsonBody(c, LIMITS.bodyBytes)) ?? {}).parts;
  const upload = await uploadIn(c, parts);
  const data = await withMissing(parts, upload, asked && new Set(asked.map(({ part }) => part)));
  return json({ message: "Successfully signed parts", data });
}

/** `POST /fpga/objects/{id}/complete` */
export async function completeObject(c: DialectContext, parts: FpgaParts): Promise<Response> {
  const object = await parts.uploads.complete(await uploadIn(c, parts));
  return json({ message: "Successfully stored object", data: objectView(object) });
}

/** `GET /fpga/objects`: all that the user has, by bucket and key. */
export async function listObjects(c: DialectContext, { userObjects }: FpgaParts): Promise<Response> {
  const { uid } = callerIn(c).account;
  const buckets = await userObjects.buckets.list(uid);
  const lists = await Promise.all(buckets.map(({ name }) => userObjects.list(uid, name)));
  return json({ message: "Successfully fetched objects", data: lists.flat().map(objectView) });
}

/** `DELETE /fpga/objects/{id}`: gives up an upload; with a bucket's name it deletes that bucket, which has to be empty. */
export async function giveUpObject(c: DialectContext, parts: FpgaParts): Promise<Response> {
  // ids of uploads have upper-case letters, names of buckets have none
  const id = c.req.param("id") ?? "";
  if (isBucket(id)) return removeBucket(c, parts, id);
  await parts.uploads.cancel(await uploadIn(c, parts));
  return json({ message: "Successfully gave up upload" });
}

/** @throws OBJECT_NOT_FOUND, INVALID_PARAMETERS while something is in it or coming in */
async function removeBucket(c: DialectContext, parts: FpgaParts, name: string): Promise<Response> {
  const { uid } = callerIn(c).account;
  const { buckets } = parts.userObjects;
  if (!(await buckets.find(uid, name))) {
    throw new PerigeeError("OBJECT_NOT_FOUND", `There is no bucket ${name}`);
  }
  await buckets.remove(uid, name);
  return json({ message: "Successfully deleted bucket" });
}

/** `DELETE /fpga/objects/{bucket}/{key}`, the key percent-encoded as one part. @throws OBJECT_NOT_FOUND */
export async function removeObject(c: DialectContext, { userObjects }: FpgaParts): Promise<Response> {
  const { uid } = callerIn(c).account;
  // as it arrived, decoded once
  const [bucket = "", key = ""] = splitTarget(rawTarget(c))
    .path.split("/")
    .filter(Boolean)
    .slice(-2)
    .map(decoded);
  const object = isBucket(bucket) && isKey(key) ? await userObjects.find(uid, bucket, key) : undefined;
  if (!object) throw new PerigeeError("OBJECT_NOT_FOUND", `There is no object ${bucket}:${key}`);
  await userObjects.remove(uid, bucket, key);
  return json({ message: "Successfully deleted object" });
}

const NUMBER_RULE = "must be a whole number from 1";
/** The body of `POST /fpga/objects/{id}/parts`; none means every missing part. */
export const partsOfObject = z.object({
  parts: z
    .array(z.object({ part: z.number(NUMBER_RULE).int(NUMBER_RULE).min(1, NUMBER_RULE) }))
    .max(LIMITS.partUrls, `must name at most ${LIMITS.partUrls} parts`)
    .optional(),
});

/** @throws INVALID_PARAMETERS when the parts do not make the object */
function layoutOf({ size, parts }: z.infer<typeof objectRequest>): { partSize: number; file: PartedFile } {
  const [first] = parts;
  const partSize = parts.length > 1 ? first!.size : Math.max(size, LIMITS.partBytesLeast);
  const fits =
    parts.length === Math.ceil(size / partSize) &&
    parts.every((part, i) => part.size === Math.min(partSize, size - i * partSize)) &&
    (parts.length < 2 || (partSize >= LIMITS.partBytesLeast && partSize <= LIMITS.partBytesMost));
  if (!fits) throw new PerigeeError("INVALID_PARAMETERS", `parts: ${PARTS_RULE}`);
  return { partSize, file: { n: 0, size, crc32: parts.map(({ crc32 }) => crc32.toLowerCase()) } };
}

function uploadIn(c: DialectContext, { uploads }: FpgaParts): Promise<ObjectUpload> {
  return uploads.find(callerIn(c).account.uid, c.req.param("id") ?? "");
}

/** An upload with URLs for its missing parts, those that are named or all of them. */
async function withMissing({ core, uploads }: FpgaParts, upload: ObjectUpload, named?: Set<number>) {
  const { arrival, partSize, file, done } = upload;
  const missing = done ? [] : await uploads.missing(upload);
  const wanted = missing.filter(({ number }) => !named || named.has(number));
  const isThere = ({ number }: Pick<PartOf<PartedFile>, "number">) =>
    !missing.some((part) => part.number === number);
  const signed = await uploads.sign(upload, wanted);
  return {
    id: arrival.id,
    state: done ? "succeeded" : "staging",
    location: `${arrival.bucket}:${arrival.key}`,
    total_bytes: file.size,
    part_size: partSize,
    parts: signed.map((part) => signedPartView(part, partSize)),
    parts_expire_at: urlsExpireAt(core.now()),
    // for those whose clock is another
    parts_expire_in: LIMITS.partUrlMs / 1000,
    ...missingView(missing),
    ...(named && {
      arrived: [...named].filter((number) => isThere({ number })).map((part) => ({ file: 0, part })),
    }),
    complete: `${OBJECTS}/${arrival.id}/complete`,
  };
}

function objectView({ bucket, key, size, modified }: ShownObject) {
  return { location: `${bucket}:${key}`, bucket, key, size, modified: utcSeconds(modified) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new PerigeeError("INVALID_PARAMETERS", "The path is not percent-encoded UTF-8", { cause });
  }
}
