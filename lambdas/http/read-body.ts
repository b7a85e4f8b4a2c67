import { Busboy, type BusboyInstance } from "@fastify/busboy";
import type { Context } from "hono";
import { PerigeeError } from "#protocol/errors.ts";
import { KiB, LIMITS, MiB } from "#protocol/limits.ts";
import { bodyStream } from "./body-stream.ts";
import { parseJson } from "./json-text.ts";

/** ms; a small body on the slowest of links takes less. */
const BODY_MS = 2 * 60_000;

/**
 * What a request says, by field name: every value given, in order. Forms and queries hold strings; a JSON
 * body holds what {@link parseJson} made of it.
 */
export type Fields = Map<string, unknown[]>;

/**
 * Reads a body without files: a multipart form, a url-encoded form or a JSON object, by its Content-Type;
 * no body is no fields. Files in a form are thrown away, within the bound.
 * @param maxBytes of the whole body
 * @param maxMs until it is whole: a connection must not be held for ever, byte by byte, by whoever likes
 * @throws BODY_TOO_LARGE over `maxBytes`, UNSUPPORTED_MEDIA_TYPE, INVALID_PARAMETERS when malformed
 */
export async function readBody(
  c: Context,
  maxBytes: number = LIMITS.bodyBytes,
  maxMs: number = BODY_MS,
): Promise<Fields> {
  const type = c.req.header("content-type") ?? "";
  const bytes = await collectBody(c, maxBytes, maxMs);
  if (bytes.length === 0) return new Map();
  if ((c.req.header("content-encoding") ?? "identity") !== "identity") {
    throw new PerigeeError("UNSUPPORTED_MEDIA_TYPE", "The body must not be compressed");
  }
  const media = type.split(";", 1)[0]!.trim().toLowerCase();
  if (media === "multipart/form-data") return readMultipart(bytes, type);
  if (media === "application/x-www-form-urlencoded") {
    return fieldsOf(new URLSearchParams(utf8(bytes)));
  }
  if (media === "application/json" || media.endsWith("+json")) return readJson(utf8(bytes));
  throw new PerigeeError(
    "UNSUPPORTED_MEDIA_TYPE",
    "The body must be multipart/form-data, application/x-www-form-urlencoded or application/json",
  );
}

/** The fields of the query. */
export function readQuery(c: Context): Fields {
  return fieldsOf(new URL(c.req.url).searchParams);
}

/** Fields of the query and, for methods that have one, the body; the body wins where both name a field. */
export async function readQueryAndBody(c: Context): Promise<Fields> {
  const query = readQuery(c);
  return c.req.method === "GET" ? query : new Map([...query, ...(await readBody(c))]);
}

function fieldsOf(pairs: Iterable<[string, string]>): Fields {
  const fields: Fields = new Map();
  for (const [name, value] of pairs) add(fields, name, value);
  return fields;
}

function add(fields: Fields, name: string, value: unknown): void {
  const values = fields.get(name);
  if (values) values.push(value);
  else fields.set(name, [value]);
}

/**
 * A whole body, within bounds of size and time.
 * @throws BODY_TOO_LARGE, INVALID_PARAMETERS when it is cut or late
 */
export async function collectBody(c: Context, maxBytes: number, maxMs: number = BODY_MS): Promise<Buffer> {
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

function readMultipart(bytes: Buffer, type: string): Promise<Fields> {
  return new Promise((resolve, reject) => {
    const malformed = (cause: unknown) =>
      reject(new PerigeeError("INVALID_PARAMETERS", "The body is not a whole multipart form", { cause }));
    let form: BusboyInstance;
    try {
      form = new Busboy({
        headers: { "content-type": type },
        limits: { fieldSize: LIMITS.bodyBytes },
        isPartAFile: (_name, _type, fileName) => fileName !== undefined,
      });
    } catch (error) {
      return malformed(error);
    }
    const fields: Fields = new Map();
    form.on("field", (name, value) => {
      if (name !== undefined) add(fields, name, value);
    });
    form.on("file", (_name, file) => {
      file.on("error", () => {});
      file.resume();
    });
    form.on("error", malformed);
    form.on("finish", () => resolve(fields));
    form.end(bytes);
  });
}

function readJson(text: string): Fields {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (cause) {
    throw new PerigeeError("INVALID_PARAMETERS", "The body is not JSON", { cause });
  }
  if (typeof value !== "object" || value === null || !(value instanceof Map)) {
    throw new PerigeeError("INVALID_PARAMETERS", "The body must be a JSON object");
  }
  return new Map([...value].map(([name, inner]) => [name, [inner]]));
}

function utf8(bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new PerigeeError("INVALID_PARAMETERS", "The body is not UTF-8", { cause });
  }
}
