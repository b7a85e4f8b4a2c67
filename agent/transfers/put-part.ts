import { restOf } from "#protocol/byte-range.ts";
import { PerigeeError } from "#protocol/errors.ts";
import { LINK_ENCODING } from "#protocol/link-encoding.ts";
import type { RangedSource } from "../files/ranged-source.ts";
import { type GroundPort, GroundUnavailable } from "../ground/ground-client.ts";
import type { Sender } from "../ground/send-turns.ts";
import type { Compression } from "./compression.ts";
import { reading } from "./reading.ts";

export type PutDeps = {
  ground: GroundPort;
  signal: AbortSignal;
  /** sends each piece when it is its turn */
  sender: Sender;
};

/** Object `n` of a command, and how it is compressed. */
export type Of = {
  n: number;
  source: RangedSource;
  compression: Compression;
  /** starts of parts of which a rest was refused: they are sent whole */
  whole: Set<number>;
};
export type SignedUpload = {
  url: string;
  headers: Record<string, string>;
  zstd?: boolean | undefined;
  from?: number | undefined;
};

/** A URL is too old, or too many parts come in at once: asked for again, it goes on. */
export const ASKED_AGAIN: ReadonlySet<string> = new Set(["SIGNATURE_INVALID", "TOO_MANY_REQUESTS"]);

/** Sends bytes of a source by a signed URL, when it is their turn; of those that were cut what the ground does not have. */
export async function put(
  deps: PutDeps,
  of: Of,
  to: SignedUpload,
  start: number,
  length: number,
): Promise<void> {
  const from = of.whole.has(start) ? 0 : (to.from ?? 0);
  if (from > 0 && from >= length) return;
  const headers = from > 0 ? { ...to.headers, "content-range": restOf(from, length) } : to.headers;
  try {
    await putRest(deps, of, { ...to, headers }, start + from, length - from);
  } catch (error) {
    deps.signal.throwIfAborted();
    if (from === 0 || !isRefused(error)) throw error;
    // What it had is gone, or was not what was sent, or something on the way knows no rests.
    of.whole.add(start);
    throw new GroundUnavailable("The rest of a part is refused", { cause: error });
  }
}

function isRefused(error: unknown): boolean {
  if (error instanceof PerigeeError) return !ASKED_AGAIN.has(error.code);
  return error instanceof GroundUnavailable && error.status !== undefined && error.status < 500;
}

function putRest(deps: PutDeps, of: Of, to: SignedUpload, start: number, length: number): Promise<void> {
  const compressed = to.zstd && deps.ground.link.thin;
  const crossing = compressed ? Math.ceil(length * of.compression.ratio) : length;
  const send = compressed ? putCompressed : putPlain;
  return deps.sender.turn(crossing, () => send(deps, of, to, start, length), deps.signal);
}

async function putPlain(
  { ground, signal }: PutDeps,
  { source }: Of,
  { url, headers }: SignedUpload,
  start: number,
  length: number,
): Promise<void> {
  const body = source.read(start, length);
  let sent = start;
  body.on("data", (chunk: Buffer) => {
    sent += chunk.length;
    source.sent?.(sent);
  });
  body.pause();
  try {
    await ground.put(url, body, signal, { size: length, headers });
  } finally {
    body.destroy();
  }
}

/** Over a thin link a part is small: it is compressed in memory. */
async function putCompressed(
  deps: PutDeps,
  of: Of,
  to: SignedUpload,
  start: number,
  length: number,
): Promise<void> {
  const { source, compression } = of;
  const chunks: Buffer[] = [];
  for await (const chunk of reading(deps, source, start, length)) chunks.push(chunk);
  const piece = Buffer.concat(chunks);
  const made = await compression.of(piece);
  const headers = { ...to.headers, ...(made && { [LINK_ENCODING.header]: LINK_ENCODING.zstd }) };
  await deps.ground.put(to.url, made ?? piece, deps.signal, { headers });
  source.sent?.(start + length);
}
