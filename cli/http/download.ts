import type { Answer } from "./call.ts";

/** The target of a download: it is continued at `offset`, or started again if it can `restart`. */
export type Sink = {
  /** bytes received so far */
  readonly offset: number;
  /** version (ETag) of those bytes; "" when not known */
  readonly etag: string;
  begin(etag: string): Promise<void>;
  restart(): Promise<void>;
  write(chunk: Buffer): Promise<void>;
};

/** `Range` and `If-Range` for the rest, with the last byte again: a range past the end would be a 416. */
export function rangeHeaders(sink: Sink): Record<string, string> {
  if (sink.offset === 0 || !isStrong(sink.etag)) return {};
  return { Range: `bytes=${sink.offset - 1}-`, "If-Range": sink.etag };
}

/**
 * Writes the body of a 200 or 206 to the sink, skipping the bytes that it has already. A tar that was packed again
 * is taken from its beginning, since only for the `same` object the bytes are known to be equal.
 * @throws the stream's error when it is cut (what was received is in the sink), Error
 * "ERR_STREAM_PREMATURE_CLOSE" when it ends early
 */
export async function receive(
  answer: Answer,
  sink: Sink,
  same: boolean,
  onBytes: (done: number, total: number | undefined) => void,
): Promise<void> {
  const etag = String(answer.headers.etag ?? "");
  const range = contentRange(answer.headers["content-range"]);
  const length = Number(answer.headers["content-length"] ?? Number.NaN);
  const start = answer.status === 206 && range ? range.start : 0;
  const end = Number.isNaN(length) ? undefined : start + length;
  const total = range?.total ?? end;
  const version = isStrong(etag) && etag === sink.etag && (same || !isTar(answer.headers));
  const fits = version && start <= sink.offset;
  if (!fits && sink.offset > 0) await sink.restart();
  if (start > sink.offset) {
    answer.body.destroy();
    throw new RangeMismatch();
  }
  await sink.begin(etag);
  let skip = sink.offset - start;
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    const rest = skip >= chunk.length ? undefined : skip > 0 ? chunk.subarray(skip) : chunk;
    skip = Math.max(0, skip - chunk.length);
    if (rest) {
      await sink.write(rest);
      onBytes(sink.offset, total);
    }
  }
  if (total !== undefined && sink.offset < total) {
    throw Object.assign(new Error("the answer ended early"), { code: "ERR_STREAM_PREMATURE_CLOSE" });
  }
}

/** The file has changed, and the answer has only a part of the new one: request all of it. */
export class RangeMismatch extends Error {
  override readonly name = "RangeMismatch";
}

/** Only a directory is sent as application/x-tar; a file that is a tar is an octet stream like any other. */
export function isTar(headers: Answer["headers"]): boolean {
  return headers["content-type"]?.split(";")[0]?.trim() === "application/x-tar";
}

function contentRange(header: string | undefined): { start: number; total?: number } | undefined {
  const match = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(header ?? "");
  if (!match) return undefined;
  return { start: Number(match[1]), ...(match[2] !== "*" && { total: Number(match[2]) }) };
}

function isStrong(etag: string): boolean {
  return /^".*"$/.test(etag);
}
