import type { Readable } from "node:stream";
import { crc32 as crc32Of } from "node:zlib";
import { restOf } from "#protocol/byte-range.ts";
import { PerigeeError } from "#protocol/errors.ts";
import { killPoint } from "#protocol/kill-point.ts";
import { MiB } from "#protocol/limits.ts";
import { LINK_ENCODING } from "#protocol/link-encoding.ts";
import type { StagedContent } from "#protocol/operations.ts";
import type { ClaimedCommand } from "#protocol/wire.ts";
import { Backoff } from "../backoff.ts";
import type { RangedSource } from "../files/ranged-source.ts";
import { type GroundPort, GroundUnavailable } from "../ground/ground-client.ts";
import type { Sender } from "../ground/send-turns.ts";
import { Compression } from "./compression.ts";
import type { Outgoing, OutgoingStore } from "./outgoing-store.ts";

export type SendDeps = {
  ground: GroundPort;
  store: OutgoingStore;
  command: Pick<ClaimedCommand, "id" | "user">;
  epoch: number;
  signal: AbortSignal;
  /** sends each piece when it is its turn */
  sender: Sender;
  /** repeats while the ground does not answer, with pauses */
  retried<T>(attempt: () => Promise<T>): Promise<T>;
};

/** Up to so many bytes are hashed before the ground is asked, as they may turn out to be one part. */
const HASHED_FIRST = 8 * MiB;
/** Parts that one call signs, and about how many bytes they may have. */
const BATCH_PARTS = 500;
const BATCH_BYTES = 32 * MiB;
/** Over a thin link the first batch is small: its answer comes soon. */
const FIRST_PARTS = 16;
/** Parts of an object are sent concurrently up to this many bytes and this many parts. */
const BYTES_AT_ONCE = 1 * MiB;
const PARTS_AT_ONCE = 8;
/** A part that is refused so often, or an object that does not fit together so often, begins anew under another name. */
const REFUSALS = 3;
const BEGINNINGS = 3;

/** A URL is too old, too many parts come in at once, or one seems to come twice: asked for again, it goes on. */
const ASKED_AGAIN: ReadonlySet<string> = new Set(["SIGNATURE_INVALID", "TOO_MANY_REQUESTS", "CANCELLED"]);

/** How a ground answers that has another beginning than it said. */
const REST_REFUSED: ReadonlySet<string> = new Set(["RANGE_NOT_SATISFIABLE", "CHECKSUM_MISMATCH"]);

/** However often it is begun, the ground refuses the object. */
export class NotSent extends Error {
  override readonly name = "NotSent";
}

/** Was it the ground, and not the edge, that ended a sending? Sent again later it may arrive. */
export function isRefusal(error: unknown): boolean {
  return error instanceof PerigeeError || error instanceof GroundUnavailable || error instanceof NotSent;
}

type Of = { n: number; source: RangedSource; compression: Compression };
type SignedUpload = {
  url: string;
  headers: Record<string, string>;
  zstd?: boolean | undefined;
  from?: number | undefined;
};
type Planned = { number: number; crc32: string };

/** The transfer cannot go on as it is: what the ground has of it is gone, or is something else. */
class BeginAnew extends Error {
  override readonly name = "BeginAnew";
}

/**
 * Sends an object in parts of the size that the ground says. What has arrived is not sent again, whatever was cut
 * or restarted. Undefined when the ground knows no parts: it is of an earlier version.
 * @throws SourceChanged when the source says so; PerigeeError of the ground; GroundUnavailable and NotSent when it
 * refuses the object each time
 */
export async function sendInParts(
  deps: SendDeps,
  object: Pick<Of, "n" | "source">,
): Promise<StagedContent | undefined> {
  const { store, command } = deps;
  const of = { ...object, compression: new Compression() };
  let outgoing = store.open(command.id, of.n, of.source.pin);
  for (let beginning = 1; ; beginning++) {
    try {
      return await send(deps, of, outgoing);
    } catch (error) {
      if (error instanceof PerigeeError && error.code === "NOT_FOUND") return undefined;
      if (!(error instanceof BeginAnew)) throw error;
      of.source.check?.();
      if (beginning === BEGINNINGS) {
        throw error.cause instanceof GroundUnavailable
          ? error.cause
          : new NotSent("the ground does not take it", { cause: error });
      }
      outgoing = store.begin(command.id, of.n, of.source.pin);
    }
  }
}

async function send(deps: SendDeps, of: Of, outgoing: Outgoing): Promise<StagedContent> {
  const { ground } = deps;
  const { n, source } = of;
  const object = { ...named(deps, of, outgoing), size: source.size };
  // One that goes in parts already need not be hashed as a whole first.
  const { chunkBytes } = ground.link;
  const mayBeWhole = source.size <= (chunkBytes ?? HASHED_FIRST) && outgoing.partBytes === 0;
  const crc32 = mayBeWhole ? hex(await crcOf(deps, source, 0, source.size)) : undefined;
  const begin = () =>
    ground.transfer({
      ...object,
      named: true,
      ...(crc32 !== undefined && { crc32 }),
      ...(chunkBytes !== undefined && { partBytes: chunkBytes }),
    });
  const { whole, partBytes, content = { n, size: source.size } } = await deps.retried(begin);
  if (whole) {
    let signed: typeof whole | undefined = whole;
    await deps.retried(async () => {
      source.check?.();
      // A URL is used once: who had to wait may be too late for it.
      const target = signed ?? (await begin()).whole ?? whole;
      signed = undefined;
      await refusable(() => put(deps, of, target, 0, source.size));
    });
    return content;
  }
  if (partBytes === undefined) throw new GroundUnavailable("the ground says nothing of parts");
  if (outgoing.partBytes !== partBytes) {
    Object.assign(outgoing, { partBytes, done: 0, crc: 0 });
    deps.store.note(deps.command.id, n, source.pin, outgoing);
  }
  for (let round = 1; round <= REFUSALS; round++) {
    await sendParts(deps, of, outgoing);
    // What changed while the last parts were read may be the old and the new together.
    source.check?.();
    const { content } = await refusable(() =>
      deps.retried(() => ground.completeTransfer({ ...named(deps, of, outgoing), crc32: hex(outgoing.crc) })),
    );
    if (content) return content;
    // What the ground has lost is found by asking for each part again.
    Object.assign(outgoing, { done: 0, crc: 0 });
  }
  throw new BeginAnew("parts are missing each time");
}

/**
 * Sends every part that has not arrived, and notes how far it is. Over a thin link the next batch is asked for while the
 * last parts of the one before are under way, so that the link is not idle meanwhile.
 */
async function sendParts(deps: SendDeps, of: Of, outgoing: Outgoing): Promise<void> {
  const { source } = of;
  const { partBytes } = outgoing;
  const { thin } = deps.ground.link;
  const count = Math.max(1, Math.ceil(source.size / partBytes));
  const most = Math.max(1, Math.min(BATCH_PARTS, Math.floor(BATCH_BYTES / partBytes)));
  // One that has failed for good takes the other with it: what that sent would be for nothing.
  const stop = new AbortController();
  const each = { ...deps, signal: AbortSignal.any([deps.signal, stop.signal]) };
  let { done, crc } = outgoing;
  // of all batches up to the one before the last, and up to the last
  let earlier: Promise<void> = Promise.resolve();
  let sending = earlier;
  try {
    for (let batch = thin ? Math.min(FIRST_PARTS, most) : most; done < count; batch = most) {
      const planned: Planned[] = [];
      for (let number = done + 1; number <= Math.min(count, done + batch); number++) {
        const { start, length } = place(source.size, partBytes, number);
        let own = 0;
        for await (const chunk of reading(each, source, start, length)) {
          own = crc32Of(chunk, own);
          crc = crc32Of(chunk, crc);
        }
        planned.push({ number, crc32: hex(own) });
      }
      done += planned.length;
      await earlier;
      earlier = sending;
      const begun = Promise.withResolvers<void>();
      const now = { done, crc };
      const batchSent = sendBatch(each, of, outgoing, planned, begun.resolve).catch((error: unknown) => {
        stop.abort(error);
        throw error;
      });
      sending = allSettled([earlier, batchSent]).then(() => {
        Object.assign(outgoing, now);
        deps.store.note(deps.command.id, of.n, source.pin, outgoing);
        source.sent?.(Math.min(source.size, now.done * partBytes));
        killPoint("transfers.batch");
      });
      await (thin ? Promise.race([begun.promise, sending]) : sending);
    }
    await sending;
  } finally {
    // Whoever begins anew finds nothing of this one under way.
    await Promise.allSettled([sending]);
  }
}

/**
 * Asks where parts go and sends them, until each has arrived: one whose answer was lost is not sent again.
 * @param begun is called once each has been begun
 */
async function sendBatch(
  deps: SendDeps,
  of: Of,
  outgoing: Outgoing,
  planned: Planned[],
  begun: () => void,
): Promise<void> {
  const { ground } = deps;
  const { partBytes } = outgoing;
  const fitting = Math.floor(BYTES_AT_ONCE / partBytes);
  // Over a thin link SendTurns keeps the bound, in compressed bytes. More are started than it lets through, so that a part
  // of this object is always waiting for its turn.
  const atOnce = ground.link.thin ? 2 * PARTS_AT_ONCE : Math.max(1, Math.min(PARTS_AT_ONCE, fitting));
  const backoff = new Backoff();
  let refusals = 0;
  for (let open = planned; ; ) {
    of.source.check?.();
    const asked = open.map(({ number, crc32 }) => ({ number, crc32 }));
    const { parts } = await refusable(() =>
      deps.retried(() => ground.transferParts({ ...named(deps, of, outgoing), parts: asked })),
    );
    deps.signal.throwIfAborted();
    const waiting = asked.flatMap((part, i) => (parts[i] ? [{ ...part, signed: parts[i] }] : []));
    if (waiting.length === 0) return;
    let failed: GroundUnavailable | undefined;
    const began = performance.now();
    const { turns } = ground.link;
    const { arrived } = turns;
    const next = waiting.values();
    let left = waiting.length;
    const work = async () => {
      for (const { number, signed } of next) {
        if (failed) return;
        if (--left === 0) begun();
        const { start, length } = place(of.source.size, partBytes, number);
        try {
          await refusable(() => put(deps, of, signed, start, length));
        } catch (error) {
          if (!(error instanceof GroundUnavailable)) throw error;
          failed = error;
          return;
        }
        killPoint("transfers.part");
      }
    };
    await allSettled(Array.from({ length: atOnce }, work));
    if (!failed) ground.link.sent(turns.arrived - arrived, performance.now() - began, of.compression.ratio);
    // All were taken. They are looked at again when the object is completed.
    if (!failed) return;
    if (waiting.length < open.length) backoff.reset();
    open = waiting;
    // An answer that is a refusal, and stays one, will not become another by waiting.
    refusals = failed.status !== undefined && failed.status < 500 ? refusals + 1 : 0;
    if (refusals === REFUSALS) throw new BeginAnew("a part is refused", { cause: failed });
    await ground.link.pause(backoff, deps.signal);
    deps.signal.throwIfAborted();
  }
}

/** Sends bytes of a source by a signed URL, when it is their turn; of those that were cut what the ground does not have. */
async function put(deps: SendDeps, of: Of, to: SignedUpload, start: number, length: number): Promise<void> {
  const { from = 0 } = to;
  if (from > 0 && from >= length) return;
  const headers = from > 0 ? { ...to.headers, "content-range": restOf(from, length) } : to.headers;
  try {
    await putRest(deps, of, { ...to, headers }, start + from, length - from);
  } catch (error) {
    // What it had is gone, or was not what was sent: asked for again, it takes all of it.
    const again = error instanceof PerigeeError && REST_REFUSED.has(error.code);
    throw from > 0 && again ? new GroundUnavailable(error.message, { cause: error }) : error;
  }
}

function putRest(deps: SendDeps, of: Of, to: SignedUpload, start: number, length: number): Promise<void> {
  const compressed = to.zstd && deps.ground.link.thin;
  const crossing = compressed ? Math.ceil(length * of.compression.ratio) : length;
  const send = compressed ? putCompressed : putPlain;
  return deps.sender.turn(crossing, () => send(deps, of, to, start, length), deps.signal);
}

async function putPlain(
  { ground, signal }: SendDeps,
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
  deps: SendDeps,
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

/** What the ground refuses because the transfer is gone or is something else means to begin anew. */
async function refusable<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof PerigeeError)) throw error;
    if (ASKED_AGAIN.has(error.code)) {
      throw new GroundUnavailable(error.message, { cause: error });
    }
    const gone = ["UPLINK_NOT_FOUND", "CHECKSUM_MISMATCH", "SIZE_MISMATCH"].includes(error.code);
    throw gone ? new BeginAnew(error.message, { cause: error }) : error;
  }
}

/** Waits for all; throws what the first that failed did. */
async function allSettled(work: Promise<void>[]): Promise<void> {
  for (const one of await Promise.allSettled(work)) if (one.status === "rejected") throw one.reason;
}

function named({ epoch, command }: SendDeps, { n }: Of, { transfer }: Outgoing) {
  return { epoch, user: command.user, command: command.id, n, transfer };
}

function place(size: number, partBytes: number, number: number): { start: number; length: number } {
  const start = (number - 1) * partBytes;
  return { start, length: Math.min(partBytes, size - start) };
}

async function* reading(
  { signal }: SendDeps,
  source: RangedSource,
  start: number,
  length: number,
): AsyncGenerator<Buffer> {
  const body: Readable = source.read(start, length);
  try {
    for await (const chunk of body) {
      signal.throwIfAborted();
      yield chunk as Buffer;
    }
  } finally {
    body.destroy();
  }
}

async function crcOf(deps: SendDeps, source: RangedSource, start: number, length: number): Promise<number> {
  let crc = 0;
  for await (const chunk of reading(deps, source, start, length)) crc = crc32Of(chunk, crc);
  return crc;
}

function hex(crc: number): string {
  return crc.toString(16).padStart(8, "0");
}
