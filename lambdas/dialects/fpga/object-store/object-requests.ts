import { createHash, type Hash } from "node:crypto";
import { Readable } from "node:stream";
import { readRange, resolveRange } from "#protocol/byte-range.ts";
import { LIMITS } from "#protocol/limits.ts";
import { bodyStream } from "../../../http/body-stream.ts";
import { SAFE_HEADERS } from "../../../http/safe-headers.ts";
import { ulid } from "../../../ledger/ulid.ts";
import type { DialectContext } from "../../dialect.ts";
import { PINS } from "../lane.ts";
import { imageLog } from "../log/image-log.ts";
import { OBJECT_BOUNDS } from "../objects/bucket-record.ts";
import { isKey, LOGS, type ShownObject } from "../objects/user-objects.ts";
import type { FpgaParts } from "../parts.ts";
import type { Project } from "../project.ts";
import { done } from "./answers.ts";
import { requireBucket } from "./bucket-requests.ts";
import { StoreRefusal } from "./store-errors.ts";

/** ms for which the room of an object is kept that comes in one body. */
const ARRIVAL_MS = LIMITS.partsIdleMs;

export type ObjectAt = { bucket: string; key: string };

/** `PUT /{bucket}/{key}`: a bucket that does not exist is made. */
export async function putObject(
  c: DialectContext,
  { user, uid, edge }: Project,
  { bucket, key }: ObjectAt,
  { core, userObjects }: FpgaParts,
): Promise<Response> {
  requireWritable(key);
  if (c.req.header("x-amz-copy-source") !== undefined) {
    throw new StoreRefusal("NotImplemented", "Objects are not copied here");
  }
  const bytes = lengthOf(c.req.header("content-length"));
  const wanted = digestOf(c.req.header("content-md5"));
  const id = ulid(core.now());
  const prefix = `${PINS}/${user}/${id}/`;
  const until = core.now() + ARRIVAL_MS;
  const arrival = { id, bucket, key, bytes, prefix, until };
  await userObjects.buckets.reserve(uid, arrival, () => core.bytesLeft(user, edge));
  try {
    const hash = createHash("md5");
    const incoming = bodyStream(c) ?? Readable.from([]);
    const body = Readable.from(hashed(incoming, hash), { objectMode: false });
    try {
      await core.staging.put(`${prefix}0`, body, { maxBytes: bytes });
    } finally {
      body.destroy();
    }
    const md5 = hash.digest("hex");
    if (wanted !== undefined && wanted !== md5) {
      throw new StoreRefusal("BadDigest", "The content is not that of Content-MD5");
    }
    const object = await userObjects.place(uid, arrival, md5);
    if (!object) throw new StoreRefusal("ServiceUnavailable", "The upload took too long");
    return done(200, { etag: `"${object.etag}"` });
  } catch (error) {
    await userObjects.buckets.release(uid, id);
    await core.staging.deletePrefix(prefix);
    throw error;
  }
}

/** `GET` and `HEAD /{bucket}/{key}` */
export async function getObject(
  c: DialectContext,
  project: Project,
  at: ObjectAt,
  parts: FpgaParts,
): Promise<Response> {
  const { userObjects } = parts;
  const { uid } = project;
  const isHead = c.req.method === "HEAD";
  if (at.key.startsWith(LOGS)) return getLog(c, project, at, parts, isHead);
  requireKey(at.key);
  await requireBucket(uid, at.bucket, userObjects);
  const object = await userObjects.find(uid, at.bucket, at.key);
  if (!object) throw new StoreRefusal("NoSuchKey", `There is no object ${at.key}`);
  if (isHead) return new Response(null, { headers: headersOf(object) });
  const part = partAsked(c, object);
  const { body, size } = await userObjects.open(uid, at.bucket, at.key, part);
  if (part && size !== part.end - part.start + 1) {
    body.destroy();
    throw new StoreRefusal("ServiceUnavailable", "The object is replaced at this moment");
  }
  const headers = { ...headersOf({ ...object, size }), ...rangeOf(part, object.size) };
  const status = part ? 206 : 200;
  return new Response(Readable.toWeb(body) as ReadableStream<Uint8Array>, { status, headers });
}

/** `DELETE /{bucket}/{key}`: one that is not there is no error. */
export async function removeObject(
  { uid }: Project,
  { bucket, key }: ObjectAt,
  { userObjects }: FpgaParts,
): Promise<Response> {
  requireWritable(key);
  await requireBucket(uid, bucket, userObjects);
  await userObjects.remove(uid, bucket, key);
  return done(204);
}

async function getLog(
  c: DialectContext,
  project: Project,
  { bucket, key }: ObjectAt,
  parts: FpgaParts,
  isHead: boolean,
): Promise<Response> {
  const [, id] = /^fpga-log\/([0-9a-f]{32})_log\.tar$/.exec(key) ?? [];
  const log = id === undefined ? undefined : await imageLog(parts, project, id);
  if (!log || log.bucket !== bucket) throw new StoreRefusal("NoSuchKey", `There is no object ${key}`);
  const etag = createHash("md5").update(log.tar).digest("hex");
  const size = log.tar.length;
  const part = isHead ? undefined : partAsked(c, { size, etag });
  const bytes = part ? log.tar.subarray(part.start, part.end + 1) : log.tar;
  const shown = headersOf({ size: bytes.length, modified: log.modified, etag });
  const headers = { ...shown, ...rangeOf(part, size) };
  return new Response(isHead ? null : new Uint8Array(bytes), { status: part ? 206 : 200, headers });
}

/** The part that `Range` and `If-Range` ask for. @throws StoreRefusal InvalidRange */
function partAsked(c: DialectContext, { size, etag }: Pick<ShownObject, "size" | "etag">) {
  const ifRange = c.req.header("if-range");
  const asked = ifRange === undefined || ifRange === `"${etag}"` ? c.req.header("range") : undefined;
  const part = resolveRange(readRange(asked), size);
  if (part !== "unsatisfiable") return part;
  const headers = { "content-range": `bytes */${size}` };
  throw new StoreRefusal("InvalidRange", `The object has ${size} bytes`, { headers });
}

function rangeOf(part: { start: number; end: number } | undefined, size: number): Record<string, string> {
  return part ? { "content-range": `bytes ${part.start}-${part.end}/${size}` } : {};
}

function headersOf({ size, modified, etag }: Pick<ShownObject, "size" | "modified" | "etag">) {
  return {
    ...SAFE_HEADERS,
    "accept-ranges": "bytes",
    "content-type": "application/octet-stream",
    "content-length": String(size),
    etag: `"${etag}"`,
    "last-modified": new Date(modified).toUTCString(),
  };
}

/** @throws StoreRefusal */
function requireWritable(key: string): void {
  if (key.startsWith(LOGS)) throw new StoreRefusal("AccessDenied", `Nobody writes beneath ${LOGS}`);
  requireKey(key);
}

function requireKey(key: string): void {
  if (isKey(key)) return;
  throw new StoreRefusal(
    "InvalidArgument",
    "A key has 1 to 64 letters, digits, hyphens, underscores, slashes and dots",
  );
}

/** @throws StoreRefusal MissingContentLength, EntityTooLarge */
function lengthOf(header: string | undefined): number {
  if (header === undefined)
    throw new StoreRefusal("MissingContentLength", "The request has no Content-Length");
  const bytes = Number(header);
  if (bytes <= OBJECT_BOUNDS.bytes) return bytes;
  throw new StoreRefusal("EntityTooLarge", `An object has at most ${OBJECT_BOUNDS.bytes} bytes`);
}

/** The header `Content-MD5` in hex. @throws StoreRefusal InvalidDigest */
function digestOf(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  if (/^[A-Za-z0-9+/]{22}==$/.test(header)) return Buffer.from(header, "base64").toString("hex");
  throw new StoreRefusal("InvalidDigest", "Content-MD5 is no MD5 in Base64");
}

/** The same bytes, counted into a digest. The body is left as it is when nobody reads on. */
async function* hashed(body: Readable, hash: Hash): AsyncGenerator<Buffer> {
  for await (const chunk of body.iterator({ destroyOnReturn: false })) {
    hash.update(chunk as Buffer);
    yield chunk as Buffer;
  }
}
