import { Readable } from "node:stream";
import { PerigeeError } from "#protocol/errors.ts";
import { KiB } from "#protocol/limits.ts";
import { type Part, partBytes } from "../ports/part-uploads.ts";
import type { Staging } from "../ports/staging.ts";

/** An object whose parts are objects of their own in the level `key`, named `<number>.<crc32>`. */
export type Chunked = { key: string; size: number; chunkBytes: number };

/** Digits of a chunk's number: their order is that of the keys. */
const DIGITS = 8;
const PAGE = 1000;
/** Chunks that are opened before they are read, so that small ones do not each cost a round trip. */
const AHEAD = 4;

/** Key of one chunk. Its CRC32 is in it, so that a listing tells what has arrived. */
export function chunkKey(key: string, { number, crc32 }: Pick<Part, "number" | "crc32">): string {
  return `${key}/${String(number).padStart(DIGITS, "0")}.${crc32}`;
}

/** The chunks of `key` that are there, by number from `first` to `last`, page by page. */
export async function* chunksOf(
  staging: Staging,
  key: string,
  first = 1,
  last = Number.POSITIVE_INFINITY,
): AsyncGenerator<Part & { key: string }> {
  const prefix = `${key}/`;
  let after = `${prefix}${String(first - 1).padStart(DIGITS, "0")}~`;
  for (;;) {
    const page = await staging.list(prefix, { after, limit: Math.min(PAGE, last - first + 2) });
    for (const object of page) {
      const [, digits, crc32] = /^(\d{8})\.([0-9a-f]{8})$/.exec(object.key.slice(prefix.length)) ?? [];
      if (digits === undefined || crc32 === undefined) continue;
      if (Number(digits) > last) return;
      yield { key: object.key, number: Number(digits), size: object.size, crc32 };
    }
    if (page.length === 0 || page.length < Math.min(PAGE, last - first + 2)) return;
    after = page.at(-1)!.key;
  }
}

/**
 * Opens an object in chunks as one, as {@link Staging.get} opens an object.
 * @throws FILE_NOT_FOUND, RANGE_NOT_SATISFIABLE
 */
export async function openChunks(
  staging: Staging,
  of: Chunked,
  range?: { start: number; end: number },
): Promise<{ body: Readable; size: number }> {
  const start = range?.start ?? 0;
  const end = Math.min(range?.end ?? of.size - 1, of.size - 1);
  if (range && (start < 0 || start >= of.size || end < start)) {
    throw new PerigeeError("RANGE_NOT_SATISFIABLE", "The range lies outside the object");
  }
  const bodies = opened(staging, of, start, end);
  // The first is opened now: what is not there is told before an answer begins.
  const first = await bodies.next();
  const body = Readable.from(joined(first, bodies), { objectMode: false, highWaterMark: 256 * KiB });
  // A generator that was never begun has no finally: what is open goes with the stream.
  body.once("close", () => {
    if (!first.done) first.value.destroy();
    void bodies.return(undefined).catch(() => undefined);
  });
  return { body, size: end - start + 1 };
}

async function* joined(
  first: IteratorResult<Readable, unknown>,
  rest: AsyncGenerator<Readable>,
): AsyncGenerator<Buffer> {
  if (first.done) return;
  yield* first.value as AsyncIterable<Buffer>;
  for await (const body of rest) yield* body as AsyncIterable<Buffer>;
}

/** The bodies of the chunks that hold the bytes from `start` to `end`, in order; a few are opened ahead. */
async function* opened(staging: Staging, of: Chunked, start: number, end: number): AsyncGenerator<Readable> {
  const first = Math.floor(start / of.chunkBytes) + 1;
  const last = Math.floor(end / of.chunkBytes) + 1;
  const ahead: Promise<Readable>[] = [];
  try {
    let wanted = first;
    for await (const chunk of chunksOf(staging, of.key, first, last)) {
      if (chunk.number !== wanted || chunk.size !== partBytes({ ...of, partSize: of.chunkBytes }, wanted)) {
        throw missing();
      }
      const at = (wanted - 1) * of.chunkBytes;
      const from = Math.max(0, start - at);
      const to = Math.min(chunk.size - 1, end - at);
      const opening = staging.get(chunk.key, { start: from, end: to }).then(({ body }) => body);
      // It is awaited later; until then its error must not count as an unhandled rejection.
      opening.catch(() => undefined);
      ahead.push(opening);
      wanted++;
      if (ahead.length >= AHEAD) yield await ahead.shift()!;
    }
    if (wanted <= last) throw missing();
    while (ahead.length > 0) yield await ahead.shift()!;
  } finally {
    for (const opening of ahead) opening.then((body) => body.destroy()).catch(() => undefined);
  }
}

function missing(): PerigeeError {
  return new PerigeeError("FILE_NOT_FOUND", "A part of the object is not in staging");
}
