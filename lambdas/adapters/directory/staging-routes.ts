import type { IncomingMessage, ServerResponse } from "node:http";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { type Context, Hono } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { readRange, resolveRange, restOf } from "#protocol/byte-range.ts";
import { failureOf, PerigeeError } from "#protocol/errors.ts";
import { LINK_ENCODING } from "#protocol/link-encoding.ts";
import { SAFE_HEADERS } from "../../http/safe-headers.ts";
import { nodeStream, webStream } from "../web-stream.ts";
import { compressedRange } from "./compressed-range.ts";
import { decodedBody, undecodable } from "./decoded-body.ts";
import type { PartTarget } from "./part-url.ts";
import { sendFile } from "./send-file.ts";
import type { DirectoryStaging } from "./staging.ts";

/** Node's request and response, from @hono/node-server; elsewhere both are absent and the Fetch request is used. */
type Env = { Bindings: Partial<{ incoming: IncomingMessage; outgoing: ServerResponse }> };

const PREFIX = "/staging/";

/**
 * `GET` (with `Range`), `HEAD` and `PUT` on `/staging/*` for the signed URLs of a {@link DirectoryStaging}.
 * The signature is the permission: no token. PUT answers `{size, xxh64}`, of a part `{size, crc32}`; errors are `{error, message}`:
 * SIGNATURE_INVALID, FILE_NOT_FOUND, RANGE_NOT_SATISFIABLE, BODY_TOO_LARGE, STORAGE_FULL, SIZE_MISMATCH,
 * CHECKSUM_MISMATCH, UPLINK_NOT_FOUND.
 */
export function stagingRoutes(
  staging: DirectoryStaging,
  options: {
    /** called for errors that are not the client's fault, such as a failing disk */
    onError?: (error: unknown) => void;
  } = {},
): Hono<Env> {
  const app = new Hono<Env>();
  app.onError((error, c) => {
    const { code, message } = failureOf(error);
    const clientGone = c.env?.incoming?.destroyed && !c.env.incoming.complete;
    if (code === "INTERNAL_ERROR" && !clientGone) options.onError?.(error);
    const status = error instanceof PerigeeError ? error.status : 500;
    return c.json({ error: code, message }, status as ContentfulStatusCode, SAFE_HEADERS);
  });
  app.get(`${PREFIX}*`, (c) => serve(staging, c, options.onError));
  app.put(`${PREFIX}*`, (c) => receive(staging, c));
  return app;
}

async function serve(
  staging: DirectoryStaging,
  c: Context<Env>,
  onError: ((error: unknown) => void) | undefined,
): Promise<Response> {
  const { key, query } = target(c);
  staging.verify("GET", key, query);
  const object = await staging.head(key);
  if (!object) throw new PerigeeError("FILE_NOT_FOUND", "No such object in staging");
  const headers: Record<string, string> = {
    ...SAFE_HEADERS,
    "Content-Type": "application/octet-stream",
    "Accept-Ranges": "bytes",
  };
  const range = resolveRange(readRange(c.req.header("range")), object.size);
  if (range === "unsatisfiable") {
    c.header("Content-Range", `bytes */${object.size}`);
    throw new PerigeeError("RANGE_NOT_SATISFIABLE", "The range lies outside the object");
  }
  if (c.req.method === "HEAD") {
    return new Response(null, { headers: { ...headers, "Content-Length": String(object.size) } });
  }
  const describe = (size: number) => {
    headers["Content-Length"] = String(size);
    if (range) headers["Content-Range"] = `bytes ${range.start}-${range.start + size - 1}/${object.size}`;
    return range ? 206 : 200;
  };
  const wanted = c.req.header(LINK_ENCODING.accept) === LINK_ENCODING.zstd;
  const compressed = range && wanted && (await compressedRange(staging, key, range));
  if (compressed) {
    describe(range.end - range.start + 1);
    headers["Content-Length"] = String(compressed.length);
    headers[LINK_ENCODING.header] = LINK_ENCODING.zstd;
    return new Response(compressed, { status: 206, headers });
  }
  const outgoing = c.env?.outgoing;
  if (!outgoing) {
    const { body, size } = await staging.get(key, range);
    return new Response(webStream(body), { status: describe(size), headers });
  }
  const { file, start, size } = await staging.openFile(key, range);
  try {
    outgoing.writeHead(describe(size), headers);
    await sendFile(file, { start, size }, outgoing);
  } catch (error) {
    // The head was sent, so only closing the connection tells the client
    outgoing.destroy();
    onError?.(error);
  } finally {
    await file.close();
  }
  return RESPONSE_ALREADY_SENT;
}

async function receive(staging: DirectoryStaging, c: Context<Env>): Promise<Response> {
  const { key, query } = target(c);
  const part = staging.verifyPart(key, query);
  if (part) return receivePart(staging, c, part);
  const { maxBytes } = staging.verify("PUT", key, query);
  if (Number(c.req.header("content-length") ?? 0) > maxBytes) {
    throw new PerigeeError("BODY_TOO_LARGE", `The content is over ${maxBytes} bytes`);
  }
  // the web stream of a Node request costs a copy and a promise per chunk
  const body = c.env?.incoming ?? nodeStream(c.req.raw.body);
  const stored = await staging.put(key, body, { maxBytes });
  return c.json(stored, 200, SAFE_HEADERS);
}

async function receivePart(
  staging: DirectoryStaging,
  c: Context<Env>,
  target: PartTarget,
): Promise<Response> {
  const { size } = target.part;
  const compressed = c.req.header(LINK_ENCODING.header) === LINK_ENCODING.zstd;
  const from = readRest(c.req.header("content-range"), size);
  const length = Number(c.req.header("content-length") ?? size - from);
  // what is compressed is sent so only where it is smaller
  if (compressed ? length > size - from : length !== size - from) {
    throw new PerigeeError("SIZE_MISMATCH", `The content must have ${size - from} bytes`);
  }
  const body = c.env?.incoming ?? nodeStream(c.req.raw.body);
  if (!compressed) await staging.parts.write(target, body, { from });
  else {
    await staging.parts.write(target, decodedBody(body), { from }).catch((error) => {
      throw undecodable(error);
    });
  }
  return c.json({ size, crc32: target.part.crc32 }, 200, SAFE_HEADERS);
}

/** From where on a body is the rest of `size` bytes, by its `Content-Range`. @throws RANGE_NOT_SATISFIABLE */
function readRest(header: string | undefined, size: number): number {
  if (header === undefined) return 0;
  const [, start] = /^bytes (\d{1,15})-\d+\/\d+$/.exec(header) ?? [];
  const from = Number(start);
  if (header === restOf(from, size)) return from;
  throw new PerigeeError("RANGE_NOT_SATISFIABLE", "The range is not the rest of the content");
}

/** The key and query of a signed URL, as they were received. */
function target(c: Context<Env>): { key: string; query: URLSearchParams } {
  const url = new URL(c.req.url);
  try {
    const path = url.pathname.slice(url.pathname.indexOf(PREFIX) + PREFIX.length);
    return { key: path.split("/").map(decodeURIComponent).join("/"), query: url.searchParams };
  } catch (cause) {
    throw new PerigeeError("SIGNATURE_INVALID", "The URL is not signed for this", { cause });
  }
}
