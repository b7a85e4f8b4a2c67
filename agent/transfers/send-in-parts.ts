import { crc32 as crc32Of } from "node:zlib";
import { PerigeeError } from "#protocol/errors.ts";
import { killPoint } from "#protocol/kill-point.ts";
import { MiB } from "#protocol/limits.ts";
import type { StagedContent } from "#protocol/operations.ts";
import type { ClaimedCommand } from "#protocol/wire.ts";
import { Backoff } from "../backoff.ts";
import type { RangedSource } from "../files/ranged-source.ts";
import { GroundUnavailable } from "../ground/ground-client.ts";
import { Compression } from "./compression.ts";
import type { Outgoing, OutgoingStore } from "./outgoing-store.ts";
import { ASKED_AGAIN, type Of, type PutDeps, put, type SignedUpload } from "./put-part.ts";
import { reading } from "./reading.ts";

export type SendDeps = PutDeps & {
  store: OutgoingStore;
  command: Pick<ClaimedCommand, "id" | "user">;
  epoch: number;
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
/**
 * Of parts that are larger than that so many: while the ground makes one durable the next one comes. Once one was cut, the
 * rest of the object goes one by one: several at once may not fit into a contact window that each of them fits into.
 */
const LARGE_AT_ONCE = 2;
/** A part that is refused so often, or an object that does not fit together so often, begins anew under another name. */
const REFUSALS = 3;
const BEGINNINGS = 3;

/** However often it is begun, the ground refuses the object. */
export class NotSent extends Error {
  override readonly name = "NotSent";
}

/** Was it the ground, and not the edge, that ended a sending? Sent again later it may arrive. */
export function isRefusal(error: unknown): boolean {
  return error instanceof PerigeeError || error instanceof GroundUnavailable || error instanceof NotSent;
}

type Planned = { number: number; crc32: string };
/** The next parts, and the CRC32 of everything up to their end. */
type Batch = { planned: Planned[]; crc: number };
/** Where parts go, in their order; null: it has arrived. */
type Signed = (SignedUpload | null)[];

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
  const of = { ...object, compression: new Compression(), whole: new Set<number>() };
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
  // Over a thin link the first parts are named at once, and need no call of their own.
  const first =
    chunkBytes !== undefined && !mayBeWhole && outgoing.partBytes === 0
      ? await plan(deps, source, chunkBytes, { done: 0, crc: 0 }, firstBatch(chunkBytes))
      : undefined;
  const begin = () =>
    ground.transfer({
      ...object,
      named: true,
      ...(crc32 !== undefined && { crc32 }),
      ...(chunkBytes !== undefined && { partBytes: chunkBytes }),
      ...(first && { parts: first.planned }),
    });
  const { whole, partBytes, parts, content = { n, size: source.size } } = await deps.retried(begin);
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
  const given = first && parts?.length === first.planned.length ? { ...first, signed: parts } : undefined;
  for (let round = 1; round <= REFUSALS; round++) {
    await sendParts(deps, of, outgoing, round === 1 ? given : undefined);
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
 * Sends every part that has not arrived, and notes how far it is. The next batch is read and asked for while the last parts of
 * the one before are under way, so that the link is not idle meanwhile.
 * @param first the first batch, where it is known already where its parts go
 */
async function sendParts(
  deps: SendDeps,
  of: Of,
  outgoing: Outgoing,
  first?: Batch & { signed: Signed },
): Promise<void> {
  const { source } = of;
  const { partBytes } = outgoing;
  const { thin } = deps.ground.link;
  const count = Math.max(1, Math.ceil(source.size / partBytes));
  const most = batchOf(partBytes);
  let given = first;
  // One that has failed for good takes the other with it: what that sent would be for nothing.
  const stop = new AbortController();
  const each = { ...deps, signal: AbortSignal.any([deps.signal, stop.signal]) };
  let { done, crc } = outgoing;
  const pace = { largeAtOnce: LARGE_AT_ONCE };
  // of all batches up to the one before the last, and up to the last
  let earlier: Promise<void> = Promise.resolve();
  let sending = earlier;
  try {
    for (let batch = thin ? firstBatch(partBytes) : most; done < count; batch = most) {
      const next = given ?? (await plan(each, source, partBytes, { done, crc }, batch));
      const { planned } = next;
      done += planned.length;
      crc = next.crc;
      // Of a near link's parts no more are under way than one batch sends at once; the next is read meanwhile.
      await (thin ? earlier : sending);
      earlier = sending;
      const begun = Promise.withResolvers<void>();
      const now = { done, crc };
      const signed = given?.signed;
      given = undefined;
      const batchSent = sendBatch(each, { ...of, pace }, outgoing, planned, begun.resolve, signed).catch(
        (error: unknown) => {
          stop.abort(error);
          throw error;
        },
      );
      sending = allSettled([earlier, batchSent]).then(() => {
        Object.assign(outgoing, now);
        deps.store.note(deps.command.id, of.n, source.pin, outgoing);
        source.sent?.(Math.min(source.size, now.done * partBytes));
        killPoint("transfers.batch");
      });
      await Promise.race([begun.promise, sending]);
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
 * @param first where each goes, when that was asked already
 */
async function sendBatch(
  deps: SendDeps,
  of: Of & { pace: { largeAtOnce: number } },
  outgoing: Outgoing,
  planned: Planned[],
  begun: () => void,
  first?: Signed,
): Promise<void> {
  const { ground } = deps;
  const { partBytes } = outgoing;
  const fitting = Math.floor(BYTES_AT_ONCE / partBytes);
  // Over a thin link SendTurns keeps the bound, in compressed bytes. More are started than it lets through, so that a part
  // of this object is always waiting for its turn.
  const atOnce = () =>
    ground.link.thin ? 2 * PARTS_AT_ONCE : Math.max(of.pace.largeAtOnce, Math.min(PARTS_AT_ONCE, fitting));
  const backoff = new Backoff();
  let refusals = 0;
  let known = first;
  for (let open = planned; ; ) {
    of.source.check?.();
    const asked = open.map(({ number, crc32 }) => ({ number, crc32 }));
    const ask = () => ground.transferParts({ ...named(deps, of, outgoing), parts: asked });
    const { parts } = known ? { parts: known } : await refusable(() => deps.retried(ask));
    known = undefined;
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
    await allSettled(Array.from({ length: atOnce() }, work));
    if (!failed) ground.link.sent(turns.arrived - arrived, performance.now() - began, of.compression.ratio);
    // All were taken. They are looked at again when the object is completed.
    if (!failed) return;
    of.pace.largeAtOnce = 1;
    if (waiting.length < open.length) backoff.reset();
    open = waiting;
    // An answer that is a refusal, and stays one, will not become another by waiting.
    refusals = failed.status !== undefined && failed.status < 500 ? refusals + 1 : 0;
    if (refusals === REFUSALS) throw new BeginAnew("a part is refused", { cause: failed });
    await ground.link.pause(backoff, deps.signal);
    deps.signal.throwIfAborted();
  }
}

/** Parts of a batch, and of the first over a thin link. */
function batchOf(partBytes: number): number {
  return Math.max(1, Math.min(BATCH_PARTS, Math.floor(BATCH_BYTES / partBytes)));
}
function firstBatch(partBytes: number): number {
  return Math.min(FIRST_PARTS, batchOf(partBytes));
}

/** The next parts, at most `batch`, with their CRC32s. */
async function plan(
  deps: SendDeps,
  source: RangedSource,
  partBytes: number,
  { done, crc: before }: Pick<Outgoing, "done" | "crc">,
  batch: number,
): Promise<Batch> {
  const count = Math.max(1, Math.ceil(source.size / partBytes));
  const planned: Planned[] = [];
  let crc = before;
  for (let number = done + 1; number <= Math.min(count, done + batch); number++) {
    const { start, length } = place(source.size, partBytes, number);
    let own = 0;
    for await (const chunk of reading(deps, source, start, length)) {
      own = crc32Of(chunk, own);
      crc = crc32Of(chunk, crc);
    }
    planned.push({ number, crc32: hex(own) });
  }
  return { planned, crc };
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

async function crcOf(deps: SendDeps, source: RangedSource, start: number, length: number): Promise<number> {
  let crc = 0;
  for await (const chunk of reading(deps, source, start, length)) crc = crc32Of(chunk, crc);
  return crc;
}

function hex(crc: number): string {
  return crc.toString(16).padStart(8, "0");
}
