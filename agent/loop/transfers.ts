import { tmpdir } from "node:os";
import { Readable } from "node:stream";
import { PerigeeError } from "#protocol/errors.ts";
import { KiB, MiB } from "#protocol/limits.ts";
import type { OperationName, StagedContent, StagedFile } from "#protocol/operations.ts";
import type { ClaimedCommand } from "#protocol/wire.ts";
import { Backoff } from "../backoff.ts";
import { bytesSource, type RangedSource } from "../files/ranged-source.ts";
import { openSpooled, type Spooled, type SpoolPlace, spool } from "../files/spool.ts";
import type { WriteChunks } from "../ground/download.ts";
import { type GroundPort, GroundUnavailable } from "../ground/ground-client.ts";
import type { Sender } from "../ground/send-turns.ts";
import { streamInto } from "../ground/stream-into.ts";
import type { AheadStore } from "../transfers/ahead-store.ts";
import { fetchInRanges } from "../transfers/fetch-in-ranges.ts";
import { fetchKeeping } from "../transfers/fetch-keeping.ts";
import type { OutgoingStore } from "../transfers/outgoing-store.ts";
import { RateMeter } from "../transfers/rate-meter.ts";
import { sendInParts } from "../transfers/send-in-parts.ts";
import type { Deadline } from "./deadline.ts";

/** URLs asked for at once, and how long (ms) one is used: less than the ground signs it for. */
const BATCH = 200;
const URL_MS = 10 * 60_000;
/** Bytes that are worth a connection of their own. */
const BIG = 1 * MiB;
/**
 * Over a thin link content goes in ranges of this size, so many at once, and so many from the first on
 * that is not written.
 */
const RANGE_BYTES = 32 * KiB;
const RANGES_AT_ONCE = 12;
const RANGES_AHEAD = 48;
/** Less is not worth a range, which may be compressed. */
const SMALL = 1 * KiB;

/** Operations whose content is files that somebody asked for. That of others is their result. */
const FILES_ASKED_FOR: ReadonlySet<string> = new Set<OperationName>(["volume.read"]);

const SPOOL: SpoolPlace = { directory: tmpdir(), room: () => Number.POSITIVE_INFINITY };

type Of = {
  ground: GroundPort;
  epoch: number;
  command: ClaimedCommand;
  /** when it was claimed (monotonic ms), with the URL that came with it (default: that is not used) */
  claimedAt?: number;
  signal: AbortSignal;
  spool?: SpoolPlace;
  outgoing: OutgoingStore;
  /** what has arrived behind a gap, for the next life of this agent (default: it is fetched again) */
  ahead?: AheadStore;
  /** is paused while content is sent, and while a transfer waits for contact (default: there is none) */
  deadline?: Pick<Deadline, "pauseDuring">;
  /** the ground refuses this epoch: aborts `signal`, so that a later one goes on with the command */
  superseded?(error: PerigeeError): void;
};

/** The staged objects of one command. Cut connections are taken up again where they broke, until `signal` aborts. */
export class Transfers {
  readonly #of: Of;
  readonly #urls = new Map<number | "manifest", { url: string; until: number }>();
  #numbers: number[] = [];
  /** of those that are larger than {@link SMALL} */
  readonly #sizes = new Map<number, number>();
  readonly #meter: RateMeter;
  #manifest: Promise<StagedFile[]> | undefined;
  /** what was asked for in this life */
  readonly #begun = new Set<number>();
  /** a question for URLs that is under way */
  #asking: Promise<unknown> | undefined;

  constructor(of: Of) {
    this.#of = of;
    this.#meter = new RateMeter(of.ground.link);
    const { command, claimedAt } = of;
    if (command.manifest === undefined || claimedAt === undefined) return;
    this.#urls.set("manifest", { url: command.manifest, until: claimedAt + URL_MS });
  }

  manifest(): Promise<StagedFile[]> {
    this.#manifest ??= this.#readManifest();
    return this.#manifest;
  }

  async fetch(n: number, start = 0): Promise<Readable> {
    // Opens before it returns, so that the caller need not tell opening from reading.
    const first = await this.#open(n, start);
    return Readable.from(this.#resumed(n, start, first), { objectMode: false, highWaterMark: 1024 * 1024 });
  }

  /** As OperationContext.fetchInto says. */
  async fetchInto(
    n: number,
    start: number,
    write: WriteChunks,
    known: { size?: number; sync?: () => Promise<void> } = {},
  ): Promise<void> {
    const { ground, signal, ahead, command } = this.#of;
    // a next life of the agent does not read the manifest again
    const size = known.size ?? this.#sizes.get(n) ?? 0;
    // of content that came out wrong all is fetched again
    if (this.#begun.has(n)) ahead?.discard(command.id, n);
    this.#begun.add(n);
    // what was kept shows that the link was thin, also where the new life does not know it yet
    const thin = ground.link.thin || ahead?.has(command.id, n);
    if (thin && size - start > SMALL) return this.#fetchInRanges(n, { start, size }, write, known.sync);
    let at = start;
    const counted: WriteChunks = async (chunks) => {
      await write(chunks);
      for (const { length } of chunks) at += length;
    };
    let outcome: boolean | "cut" = size - start > BIG && "cut";
    while (outcome === "cut") {
      outcome = await this.#retried(async () => {
        const before = at;
        const url = await this.#url(n);
        try {
          return await ground.download(url, at, signal, counted);
        } catch (error) {
          this.#urls.delete(n);
          // Some of it came: again at once, as the ground does answer
          if (error instanceof GroundUnavailable && at > before) return "cut";
          throw error;
        }
      });
    }
    if (!outcome) await streamInto(await this.fetch(n, at), write, signal);
  }

  async #fetchInRanges(
    n: number,
    of: { start: number; size: number },
    write: WriteChunks,
    sync: (() => Promise<void>) | undefined,
  ): Promise<void> {
    const { signal, ahead, command } = this.#of;
    const sizes = { rangeBytes: RANGE_BYTES, atOnce: RANGES_AT_ONCE, ahead: RANGES_AHEAD };
    const read = (from: number, end: number) => this.#metered(this.#range(n, from, end));
    const options = { ...of, ...sizes, read, write, signal };
    const kept = await ahead?.open(command.id, n, { size: of.size, ahead: RANGES_AHEAD * RANGE_BYTES });
    return kept ? fetchKeeping(options, kept, sync) : fetchInRanges(options);
  }

  /** As OperationContext.store says. */
  async store(
    n: number,
    body: Readable | Uint8Array | RangedSource,
    maxBytes: number,
  ): Promise<StagedContent> {
    if (body instanceof Readable) {
      const { spool: place = SPOOL, signal } = this.#of;
      using spooled = await spool(body, place, { maxBytes, signal });
      return await this.#unhurried(() => this.#send(n, spooled, maxBytes));
    }
    const source = body instanceof Uint8Array ? bytesSource([body]) : body;
    return this.#unhurried(() => this.#send(n, source, maxBytes));
  }

  /** As OperationContext.spool says. */
  async spool(n: number, make: () => Readable, maxBytes: number): Promise<Spooled> {
    const { spool: place = SPOOL, signal, outgoing, command } = this.#of;
    const known = outgoing.spooled(command.id, n);
    const there = known && (await openSpooled(known.path, known, signal));
    if (there) return there;
    const path = outgoing.pathOf(command.id, n);
    const spooled = await spool(make(), place, { maxBytes, signal, path });
    if (spooled.inFile) outgoing.noteSpooled(command.id, n, spooled);
    return spooled;
  }

  async #send(n: number, source: RangedSource, maxBytes: number): Promise<StagedContent> {
    const { size } = source;
    if (size > maxBytes) {
      throw new PerigeeError("BODY_TOO_LARGE", `The content is over ${maxBytes} bytes`);
    }
    const retried = <T>(attempt: () => Promise<T>) => this.#retried(attempt);
    const { ground, command, outgoing } = this.#of;
    const asked = FILES_ASKED_FOR.has(command.operation);
    const sender = ground.link.turns.sender({ priority: command.priority, asked });
    const sent = await sendInParts({ ...this.#of, store: outgoing, retried, sender }, { n, source });
    return sent ?? this.#putWhole(n, source, maxBytes, sender);
  }

  /** A ground of an earlier version takes an object in one piece: what is cut begins again at its first byte. */
  async #putWhole(n: number, source: RangedSource, maxBytes: number, sender: Sender): Promise<StagedContent> {
    const { ground, epoch, command, signal } = this.#of;
    const { size } = source;
    const asked = { epoch, user: command.user, command: command.id, put: [{ n, maxBytes, size }] };
    await this.#retried(async () => {
      const { put } = await ground.urls(asked);
      await sender.turn(size, () => ground.put(put[0]!, source.read(0, size), signal, { size }), signal);
    });
    return { n, size };
  }

  async #readManifest(): Promise<StagedFile[]> {
    if (!this.#of.command.hasFiles) return [];
    const chunks: Buffer[] = [];
    for await (const chunk of this.#resumed("manifest", 0, await this.#open("manifest", 0)))
      chunks.push(chunk);
    const files = JSON.parse(Buffer.concat(chunks).toString("utf8")) as StagedFile[];
    this.#numbers = files.map((file) => file.n);
    for (const { n, size } of files) if (size > SMALL) this.#sizes.set(n, size);
    return files;
  }

  async *#metered(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      this.#meter.came(chunk.length);
      yield chunk;
    }
  }

  async *#range(n: number, start: number, end: number): AsyncGenerator<Buffer> {
    yield* this.#resumed(n, start, await this.#open(n, start, end), end);
  }

  async *#resumed(
    n: number | "manifest",
    start: number,
    first: Readable,
    end?: number,
  ): AsyncGenerator<Buffer> {
    let at = start;
    let stream = first;
    const backoff = new Backoff();
    for (;;) {
      const before = at;
      try {
        for await (const chunk of stream) {
          at += (chunk as Buffer).length;
          yield chunk as Buffer;
        }
        return;
      } catch (error) {
        this.#of.signal.throwIfAborted();
        // The agent's own socket or the ground's end of it; the object itself does not change.
        if (!(error instanceof Error)) throw error;
        // What breaks before its first byte must not be asked for again and again without a pause.
        if (at > before) backoff.reset();
        else await this.#unhurried(() => this.#of.ground.link.pause(backoff, this.#of.signal));
        if (at === end) return;
        stream = await this.#open(n, at, end);
      } finally {
        if (!stream.readableEnded && this.#of.signal.aborted) stream.destroy();
      }
    }
  }

  #open(n: number | "manifest", start: number, end?: number): Promise<Readable> {
    return this.#retried(async () => {
      const url = await this.#url(n);
      try {
        return await this.#of.ground.get(url, start, this.#of.signal, end);
      } catch (error) {
        this.#urls.delete(n);
        throw error;
      }
    });
  }

  async #url(n: number | "manifest"): Promise<string> {
    for (;;) {
      const known = this.#urls.get(n);
      if (known && known.until > performance.now()) return known.url;
      const asking = this.#asking;
      if (!asking) return this.#ask(n);
      // Ranges of one file begin together: one question is enough.
      await asking;
    }
  }

  async #ask(n: number | "manifest"): Promise<string> {
    const { ground, epoch, command } = this.#of;
    const at = n === "manifest" ? -1 : this.#numbers.indexOf(n);
    const wanted = at < 0 ? [n] : this.#numbers.slice(at, at + BATCH);
    const asking = ground.urls({ epoch, user: command.user, command: command.id, get: wanted });
    this.#asking = asking;
    try {
      const { get } = await asking;
      const until = performance.now() + URL_MS;
      // Bounded: a batch is all that is ever held.
      this.#urls.clear();
      for (const [i, number] of wanted.entries()) this.#urls.set(number, { url: get[i]!, until });
      return this.#urls.get(n)!.url;
    } finally {
      this.#asking = undefined;
    }
  }

  async #retried<T>(attempt: () => Promise<T>): Promise<T> {
    this.#of.signal.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      this.#throwUnlessCut(error);
    }
    return this.#unhurried(() => this.#again(attempt));
  }

  async #again<T>(attempt: () => Promise<T>): Promise<T> {
    const { signal, ground } = this.#of;
    const backoff = new Backoff();
    for (;;) {
      await ground.link.pause(backoff, signal);
      signal.throwIfAborted();
      try {
        return await attempt();
      } catch (error) {
        this.#throwUnlessCut(error);
      }
    }
  }

  #throwUnlessCut(error: unknown): void {
    this.#of.signal.throwIfAborted();
    if (error instanceof PerigeeError && error.code === "STALE_EPOCH") {
      this.#of.superseded?.(error);
      this.#of.signal.throwIfAborted();
    }
    // A token that is no longer taken is renewed by the operator: what is sent goes on then.
    const refused = error instanceof PerigeeError && error.code === "UNAUTHORIZED";
    if (!refused && !(error instanceof GroundUnavailable)) throw error;
  }

  /** What lasts as long as contact wants: it does not count into the command's deadline. */
  #unhurried<T>(work: () => Promise<T>): Promise<T> {
    const { deadline } = this.#of;
    return deadline ? deadline.pauseDuring(work) : work();
  }
}
