import { PerigeeError } from "#protocol/errors.ts";
import { GiB, LIMITS, MiB } from "#protocol/limits.ts";
import { bodyStream } from "../../http/body-stream.ts";
import { decodeAnyText } from "../../http/decode-text.ts";
import { readMediaType } from "../../http/media-type.ts";
import { type FormOptions, type ReceivedFile, receiveForm } from "../../http/multipart/receive-form.ts";
import { collectBody, isJson } from "../../http/read-body.ts";
import type { StoredObject } from "../../ports/staging.ts";
import type { DialectContext } from "../dialect.ts";
import { attachmentPath, requireTree } from "./attachment-path.ts";
import { queryOf } from "./query.ts";
import { notAnInteger, parameterError } from "./refusals.ts";

/** What a request gives, by name: the first value that is not empty counts. */
export type Given = ReadonlyMap<string, string>;
/** An attachment as it was stored; `path` is where it goes. */
export type Attachment = StoredObject & { n: number; path: string };

/** Takes the attachments of a request. */
export type AttachmentSink = {
  /** bytes that they may have together before the user's quota is met */
  allowance: number;
  store: FormOptions<StoredObject>["store"];
};

const FILES_BYTES = 2 * GiB;
const MOST_FILES = 1_000;

/**
 * The parameters of a request, from a JSON object, the query and a form, in this order; and its attachments, which are
 * left out where nobody takes them. Of two files of one name the later one counts.
 * @throws INVALID_PARAMETERS, BODY_TOO_LARGE, QUOTA_EXCEEDED, and what `sink.store` throws
 */
export async function readParameters(
  c: DialectContext,
  sink?: AttachmentSink,
): Promise<{ given: Given; attachments: Attachment[] }> {
  const query = new Map<string, string>();
  addForm(query, queryOf(c));
  const type = c.req.header("content-type") ?? "";
  const { value: media } = readMediaType(type);
  const form = new Map<string, string>();
  const object = new Map<string, string>();
  let attachments: Attachment[] = [];
  if (media === "multipart/form-data") attachments = await readMultipart(c, type, form, sink);
  else {
    const bytes = await collectBody(c, LIMITS.bodyBytes);
    if (media === "application/x-www-form-urlencoded")
      addForm(form, new URLSearchParams(decodeAnyText(bytes)));
    else if (isJson(media) && bytes.length > 0)
      addObject(object, decodeAnyText(bytes).replace(/^\ufeff/, ""));
  }
  return { given: new Map([...form, ...query, ...object]), attachments };
}

/** The first of these parameters that is missing is refused. @throws INVALID_PARAMETERS */
export function required<N extends string>(given: Given, names: readonly N[]): Record<N, string> {
  const missing = names.find((name) => !given.has(name));
  if (missing !== undefined) {
    const rule = "Missing required parameter in the JSON body or the post body or the query string";
    throw parameterError(missing, rule);
  }
  return Object.fromEntries(names.map((name) => [name, given.get(name)!])) as Record<N, string>;
}

/** A parameter that is a whole number, as Python reads one; over 2^53 it is not exact. @throws INVALID_PARAMETERS */
export function wholeNumber(name: string, text: string): number {
  if (/^\s*[+-]?\d+\s*$/.test(text)) return Number(text);
  throw notAnInteger(name, text);
}

/** @throws INVALID_PARAMETERS when a value has more characters */
export function atMost(name: string, value: string, characters: number): string {
  if ([...value].length <= characters) return value;
  throw parameterError(name, `must be at most ${characters} characters`);
}

function add(to: Map<string, string>, name: string, value: string): void {
  // half of a surrogate pair, which JSON can say, is no text that could be stored or run
  if (value !== "" && !to.has(name)) to.set(name, value.toWellFormed());
}

function addForm(to: Map<string, string>, form: URLSearchParams): void {
  for (const [name, value] of form) add(to, name, value);
}

type WithSource = (key: string, value: unknown, context: { source?: string }) => unknown;

function addObject(to: Map<string, string>, text: string): void {
  let value: unknown;
  try {
    // numbers as they were written
    const revive: WithSource = (_key, inner, { source }) => (typeof inner === "number" ? source : inner);
    value = JSON.parse(text, revive as Parameters<typeof JSON.parse>[1]);
  } catch (error) {
    throw new PerigeeError("INVALID_PARAMETERS", "The body is no JSON", { cause: error });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return;
  for (const [name, inner] of Object.entries(value)) {
    const first: unknown = Array.isArray(inner) ? inner[0] : inner;
    if (typeof first === "string" || typeof first === "boolean") add(to, name, String(first));
  }
}

async function readMultipart(
  c: DialectContext,
  contentType: string,
  fields: Map<string, string>,
  sink: AttachmentSink | undefined,
): Promise<Attachment[]> {
  const body = bodyStream(c);
  if (!body) return [];
  const tooLarge = () => new PerigeeError("BODY_TOO_LARGE", "The body is too large");
  const bodyBytes = sink ? FILES_BYTES + 16 * MiB : LIMITS.bodyBytes;
  // a client that asks before it sends is told so
  if (Number(c.req.header("content-length") ?? 0) > bodyBytes) throw tooLarge();
  let fieldBytes = 0;
  let counts = true;
  /** the name of each file's part */
  const parts: string[] = [];
  const files = await receiveForm<StoredObject>(body, {
    contentType,
    anyText: true,
    isField({ name, fileName }) {
      counts = fileName !== "" && name !== "attachments";
      return !fileName || name === "dockerfile";
    },
    onField(name, value) {
      fieldBytes += Buffer.byteLength(value);
      if (fieldBytes > LIMITS.bodyBytes) throw tooLarge();
      if (counts) add(fields, name, value);
    },
    onFile(name, field) {
      parts.push(field);
      if (field === "attachments") attachmentPath(name);
    },
    async store(n, file, signal) {
      if (sink && parts[n] === "attachments") return sink.store(n, file, signal);
      for await (const _ of file);
      return { size: 0, xxh64: "" };
    },
    most: {
      files: MOST_FILES,
      bytes: sink ? FILES_BYTES : LIMITS.bodyBytes,
      bodyBytes,
      fieldBytes: LIMITS.bodyBytes,
    },
    ...(sink && { allowance: sink.allowance }),
    refusals: { tooLarge, tooManyFiles: tooLarge },
  });
  if (!sink) return [];
  const byPath = new Map<string, ReceivedFile<StoredObject>>();
  for (const file of files) if (file.field === "attachments") byPath.set(attachmentPath(file.name), file);
  requireTree([...byPath.keys()]);
  return [...byPath].map(([path, { n, size, xxh64 }]) => ({ n, path, size, xxh64 }));
}
