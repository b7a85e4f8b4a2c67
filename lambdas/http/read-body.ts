import type { Context } from "hono";
import { PerigeeError } from "#protocol/errors.ts";
import { KiB, LIMITS, MiB } from "#protocol/limits.ts";
import { bodyStream, incomingOf } from "./body-stream.ts";
import { decodeText } from "./decode-text.ts";
import type { Fields } from "./fields.ts";
import { AmbiguousJson, parseJson } from "./json-text.ts";
import { readMediaType } from "./media-type.ts";
import { readForm } from "./multipart/read-form.ts";
import { refuseEncoded } from "./refuse-encoded.ts";
import { readUrlEncoded } from "./url-encoded.ts";

/** ms; a small body on the slowest of links takes less. */
const BODY_MS = 2 * 60_000;

export type BodyOptions = {
  /** Is this name a field, also when its part of a form carries a file name? (default: none is) */
  isField?: (name: string) => boolean;
  /** of the whole body (default LIMITS.bodyBytes) */
  maxBytes?: number;
  /** until it is whole (default two minutes): a connection must not be held for ever, byte by byte, by whoever likes */
  maxMs?: number;
};

/**
 * Reads a body without files: a multipart form, a url-encoded form or a JSON object, by its Content-Type;
 * no body is no fields. Files in a form are thrown away, within the bound.
 * @throws BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, INVALID_PARAMETERS when malformed or not UTF-8
 */
export async function readBody(c: Context, options: BodyOptions = {}): Promise<Fields> {
  const { isField = () => false, maxBytes = LIMITS.bodyBytes, maxMs } = options;
  const bytes = await collectBody(c, maxBytes, maxMs);
  if (bytes.length === 0) return new Map();
  refuseEncoded(c);
  const type = c.req.header("content-type") ?? "";
  const { value: media, parameters } = readMediaType(type);
  const charset = parameters.get("charset");
  if (media === "multipart/form-data") return readForm(bytes, type, isField);
  if (media === "application/x-www-form-urlencoded") {
    wholeText(bytes, charset);
    return readUrlEncoded(withoutMark(bytes).toString("latin1"), charset);
  }
  if (isJson(media)) return readObject(bytes, charset);
  throw new PerigeeError(
    "UNSUPPORTED_MEDIA_TYPE",
    "The body must be multipart/form-data, application/x-www-form-urlencoded or application/json",
  );
}

/** Is this the media type of JSON? */
export function isJson(media: string): boolean {
  return media === "application/json" || media.endsWith("+json");
}

/** The fields of the query. @throws INVALID_PARAMETERS when it is not UTF-8 */
export function readQuery(c: Context): Fields {
  // Node gives the request's own bytes, one character for each
  const target = incomingOf(c)?.url ?? c.req.url;
  const [, query = ""] = /^[^?#]*\?([^#]*)/.exec(target) ?? [];
  return readUrlEncoded(query);
}

/**
 * A whole body, within bounds of size and time.
 * @param arrived told of each piece's bytes; what it throws ends the reading
 * @throws BODY_TOO_LARGE, INVALID_PARAMETERS when it is cut or late
 */
export async function collectBody(
  c: Context,
  maxBytes: number,
  maxMs: number = BODY_MS,
  arrived: (bytes: number) => void = () => {},
): Promise<Buffer> {
  const tooLarge = () =>
    new PerigeeError(
      "BODY_TOO_LARGE",
      `The body is over ${maxBytes < MiB ? `${maxBytes / KiB} KiB` : `${maxBytes / MiB} MiB`}`,
    );
  if (Number(c.req.header("content-length") ?? 0) > maxBytes) throw tooLarge();
  const stream = bodyStream(c);
  if (!stream) return Buffer.alloc(0);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const settle = (end: () => void) => {
      clearTimeout(late);
      stream.off("data", onData).off("end", onEnd).off("error", onCut).off("close", onCut);
      stream.on("error", () => {});
      end();
    };
    const onData = (chunk: Buffer) => {
      size += chunk.length;
      try {
        arrived(chunk.length);
      } catch (error) {
        stream.pause();
        settle(() => reject(error));
        return;
      }
      chunks.push(chunk);
      if (size <= maxBytes) return;
      // Stop, but leave the stream open: the answer goes out before the rest is thrown away.
      stream.pause();
      settle(() => reject(tooLarge()));
    };
    const late = setTimeout(() => {
      stream.pause();
      settle(() =>
        reject(new PerigeeError("INVALID_PARAMETERS", `The body was not whole within ${maxMs / 1000} s`)),
      );
    }, maxMs);
    const onEnd = () => settle(() => resolve(Buffer.concat(chunks)));
    const onCut = () =>
      settle(() => reject(new PerigeeError("INVALID_PARAMETERS", "The body ended before it was whole")));
    if (stream.readableEnded) return settle(() => resolve(Buffer.alloc(0)));
    if (stream.destroyed) return onCut();
    stream.on("data", onData).on("end", onEnd).on("error", onCut).on("close", onCut);
  });
}

function readObject(bytes: Buffer, charset: string | undefined): Fields {
  const value = parsedJson(() => parseJson(wholeText(bytes, charset)));
  if (typeof value !== "object" || value === null || !(value instanceof Map)) {
    throw new PerigeeError("INVALID_PARAMETERS", "The body must be a JSON object");
  }
  return new Map([...value].map(([name, inner]) => [name, [inner]]));
}

/** What `read` makes of a body that should be JSON. @throws INVALID_PARAMETERS for what it throws */
export function parsedJson<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof PerigeeError) throw cause;
    const what =
      cause instanceof AmbiguousJson ? `The body's JSON: ${cause.message}` : "The body is not JSON";
    throw new PerigeeError("INVALID_PARAMETERS", what, { cause });
  }
}

/** A body as text, without the byte order mark that some clients begin it with. */
export function wholeText(bytes: Buffer, charset?: string): string {
  try {
    return decodeText(withoutMark(bytes), charset);
  } catch (error) {
    throw new PerigeeError("INVALID_PARAMETERS", `The body ${(error as Error).message}`);
  }
}

const MARK = Buffer.from("\ufeff");

function withoutMark(bytes: Buffer): Buffer {
  return bytes.subarray(0, MARK.length).equals(MARK) ? bytes.subarray(MARK.length) : bytes;
}
