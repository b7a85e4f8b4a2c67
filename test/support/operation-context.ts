import fs from "node:fs";
import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { xxh64 } from "@node-rs/xxhash";
import { ulid } from "ulid";
import { bytesSource } from "#agent/files/ranged-source.ts";
import { spool } from "#agent/files/spool.ts";
import { streamInto } from "#agent/ground/stream-into.ts";
import type { OperationContext } from "#agent/operation.ts";
import type { InputOf, OperationName, StagedFile } from "#protocol/operations.ts";
import type { Progress } from "#protocol/wire.ts";

/** One command as an operation sees it, with staging in a directory; it may be run again after a "crash". */
export class TestCommand<O extends OperationName> {
  readonly id = ulid();
  readonly user: string;
  readonly operation: O;
  readonly input: InputOf<O>;
  readonly staging: string;
  readonly notes: { step: string; detail: unknown }[] = [];
  readonly progress: Progress[] = [];
  readonly fetched: { n: number; start: number }[] = [];
  files: StagedFile[] = [];
  /** What a fetch gives instead of the staged bytes from `start`. */
  onFetch?: (n: number, start: number, content: Buffer) => Readable | Buffer;
  /** Called with every progress. */
  onProgress?: (progress: Progress) => void;
  /** Called around every note: throw to crash there. */
  beforeNote?: ((step: string) => void) | undefined;
  afterNote?: ((step: string) => void) | undefined;

  constructor(staging: string, user: string, operation: O, input: InputOf<O>) {
    this.staging = path.join(staging, this.id);
    fs.mkdirSync(this.staging, { recursive: true });
    this.user = user;
    this.operation = operation;
    this.input = input;
  }

  /** Stages a file for an uplink. */
  stage(target: string, content: string | Buffer): this {
    const bytes = Buffer.from(content as string);
    const n = this.files.length;
    fs.writeFileSync(path.join(this.staging, String(n)), bytes);
    const hash = xxh64(bytes).toString(16).padStart(16, "0");
    this.files.push({ n, path: target, size: bytes.length, xxh64: hash });
    return this;
  }

  /** The bytes that the operation stored under `n`. */
  stored(n = 0): Buffer {
    return fs.readFileSync(path.join(this.staging, `stored-${n}`));
  }

  /** The context of the next attempt. */
  context(signal: AbortSignal = new AbortController().signal): OperationContext<O> {
    const fetch: OperationContext<O>["fetch"] = async (n, start = 0) => {
      this.fetched.push({ n, start });
      const content = fs.readFileSync(path.join(this.staging, String(n))).subarray(start);
      const given = this.onFetch?.(n, start, content) ?? content;
      return given instanceof Readable ? given : Readable.from([given], { objectMode: false });
    };
    return {
      command: { id: this.id, user: this.user, operation: this.operation },
      input: this.input,
      signal,
      handleCancel: () => signal,
      killed: new AbortController().signal,
      acquire: async () => undefined,
      release: () => undefined,
      progress: (progress) => {
        this.progress.push(progress);
        this.onProgress?.(progress);
      },
      manifest: async () => this.files,
      fetch,
      fetchInto: async (n, start, write) => streamInto(await fetch(n, start), write, signal),
      store: async (n, body, maxBytes) => {
        const target = path.join(this.staging, `stored-${n}`);
        const source =
          body instanceof Readable ? undefined : body instanceof Uint8Array ? bytesSource([body]) : body;
        const bytes = source?.read(0, source.size) ?? (body as Readable);
        let sent = 0;
        const seen = async function* (chunks: AsyncIterable<Buffer>) {
          for await (const chunk of chunks) {
            sent += chunk.length;
            source?.sent?.(sent);
            yield chunk;
          }
        };
        await pipeline(bytes, seen, fs.createWriteStream(target), { signal });
        const { size } = fs.statSync(target);
        if (size > maxBytes) throw new Error(`stored ${size} bytes instead of at most ${maxBytes}`);
        return { n, size };
      },
      spool: (_n, make, maxBytes) => {
        const place = { directory: this.staging, room: () => Number.POSITIVE_INFINITY };
        return spool(make(), place, { maxBytes, signal });
      },
      journal: {
        notes: [...this.notes],
        note: (step, detail, also) => {
          this.beforeNote?.(step);
          also?.();
          this.notes.push({ step, detail });
          this.afterNote?.(step);
        },
        noteSoon: (step, detail) => {
          this.beforeNote?.(step);
          this.notes.push({ step, detail });
          this.afterNote?.(step);
        },
      },
    };
  }
}
