import { crc32 } from "node:zlib";
import { doublingMs } from "#protocol/backoff.ts";
import { CliFailure, EXIT } from "../failure.ts";
import type { LocalFile } from "../files/collect.ts";
import { changed, openAgain } from "../files/open-again.ts";
import { isCut, networkFailure } from "../http/network-error.ts";
import type { Patience } from "../patience.ts";
import type { Declared } from "./fingerprint.ts";
import type { PartUrls } from "./part-urls.ts";
import type { PartName } from "./parts-api.ts";
import { PartConnections } from "./put-part.ts";

export const PARALLEL = 4;
const MAX_PAUSE_MS = 15_000;

export type SendParts = {
  /** address of the ground, the base of relative URLs */
  ground: string;
  partSize: number;
  files: LocalFile[];
  declared: Declared[];
  urls: PartUrls;
  patience: Patience;
  signal: AbortSignal;
  notice: (text: string) => void;
  /** bytes sent, including those of parts under way; it decreases when a part has to be sent again */
  onSent: (bytes: number) => void;
};

/**
 * Sends parts, several at a time, each until it has arrived: a cut, a refusal or an expired URL affects that part
 * only. Memory: as many parts as are sent at the same time.
 * @throws CliFailure LOCAL_FILE when a file changes; when there is no progress for as long as `--wait` allows
 */
export async function sendParts(parts: PartName[], options: SendParts): Promise<void> {
  const connections = new PartConnections(PARALLEL);
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const queue = parts.values();
  const sent = new Progress(options.onSent);
  const lane = async () => {
    const buffer = Buffer.allocUnsafe(options.partSize);
    for (const part of queue) {
      try {
        await sendPart(part, { ...options, signal }, { buffer, connections, sent });
      } catch (error) {
        stop.abort(error);
        throw error;
      }
    }
  };
  try {
    const lanes = await Promise.allSettled(Array.from({ length: PARALLEL }, lane));
    options.signal.throwIfAborted();
    if (stop.signal.aborted) throw stop.signal.reason;
    for (const ended of lanes) if (ended.status === "rejected") throw ended.reason;
  } finally {
    connections.close();
  }
}

type Means = { buffer: Buffer; connections: PartConnections; sent: Progress };

async function sendPart(part: PartName, options: SendParts, means: Means): Promise<void> {
  const { urls, patience, signal, notice } = options;
  const body = await readPart(part, options, means.buffer);
  for (let failures = 0; ; failures++) {
    signal.throwIfAborted();
    let failure: CliFailure;
    try {
      const signed = await urls.of(part);
      // The part had arrived, only the answer was lost.
      if (!signed) return means.sent.set(part, body.length);
      const onSent = (bytes: number) => means.sent.set(part, bytes);
      const url = absolute(signed.url, options.ground);
      const answer = await means.connections.put(url, signed.headers, body, { signal, onSent });
      if (answer.status < 300) {
        patience.moving();
        return means.sent.set(part, body.length);
      }
      failure = refusal(answer);
    } catch (error) {
      signal.throwIfAborted();
      failure = transient(error, options.ground);
    }
    means.sent.set(part, 0);
    urls.renew(part);
    if (failure.exit === EXIT.storage) throw failure;
    const left = patience.blocked();
    if (left <= 0) throw failure;
    if (failures === 0) notice(`${failure.message}; sending that part again`);
    await patience.pause(Math.min(left, doublingMs(250, MAX_PAUSE_MS, failures)));
  }
}

/** Reads a part again, and refuses it when it is not what was declared. */
async function readPart({ file, part }: PartName, options: SendParts, buffer: Buffer): Promise<Buffer> {
  const source = options.files[file]!;
  const offset = (part - 1) * options.partSize;
  const body = buffer.subarray(0, Math.min(options.partSize, source.size - offset));
  await using handle = await openAgain(source);
  for (let at = 0; at < body.length; ) {
    const { bytesRead } = await handle.read(body, at, body.length - at, offset + at);
    if (bytesRead === 0) throw changed(source);
    at += bytesRead;
  }
  const crc = crc32(body).toString(16).padStart(8, "0");
  if (crc !== options.declared[file]!.crc32[part - 1]) throw changed(source);
  return body;
}

function refusal({ status, text }: { status: number; text: string }): CliFailure {
  const code = /"error":"(\w+)"/.exec(text)?.[1] ?? /<Code>(\w+)<\/Code>/.exec(text)?.[1];
  const message = `a part was refused with ${status}${code ? ` ${code}` : ""}`;
  return new CliFailure(code ?? `HTTP_${status}`, message, status === 507 ? { exit: EXIT.storage } : {});
}

/** The error as a failure after which another attempt makes sense. @throws any other error */
function transient(error: unknown, ground: string): CliFailure {
  const failure = isCut(error) ? networkFailure(error, "where parts go") : networkFailure(error, ground);
  const retried: number[] = [EXIT.unreachable, EXIT.busy];
  if (failure instanceof CliFailure && (retried.includes(failure.exit) || serverSide(failure)))
    return failure;
  throw failure;
}

function serverSide({ fields }: CliFailure): boolean {
  return typeof fields.status === "number" && fields.status >= 500 && fields.status !== 507;
}

function absolute(url: string, ground: string): URL {
  return new URL(url.startsWith("/") ? `${ground}${url}` : url);
}

/** Sums the bytes sent of each part. */
class Progress {
  readonly #parts = new Map<string, number>();
  readonly #tell: (bytes: number) => void;
  #sum = 0;

  constructor(tell: (bytes: number) => void) {
    this.#tell = tell;
  }

  set({ file, part }: PartName, bytes: number): void {
    const name = `${file}.${part}`;
    this.#sum += bytes - (this.#parts.get(name) ?? 0);
    this.#parts.set(name, bytes);
    this.#tell(this.#sum);
  }
}
