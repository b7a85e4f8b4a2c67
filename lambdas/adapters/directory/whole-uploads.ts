import { open, rm } from "node:fs/promises";
import type { Readable } from "node:stream";
import { PerigeeError } from "#protocol/errors.ts";
import { KiB } from "#protocol/limits.ts";
import type { Part } from "../../ports/part-uploads.ts";
import { Crc32Hash } from "../crc32-hash.ts";
import { FileSink } from "./file-sink.ts";
import { type Beginning, KeptBeginnings } from "./kept-beginnings.ts";
import { NewestTurns, Superseded } from "./newest-turns.ts";
import type { PartTarget } from "./part-url.ts";
import { receiveChecked } from "./receive-checked.ts";
import type { UploadsHome } from "./uploads-home.ts";

type Content = Omit<Part, "number">;

/** How a body ends that was cut, or given up for a newer one. */
const CUTS: ReadonlySet<unknown> = new Set(["ECONNRESET", "ERR_STREAM_PREMATURE_CLOSE"]);

/** Less is sent again at once. */
const LEAST_KEPT = 4 * KiB;

/** Objects that come whole, by signed URLs. Where those say so, what is cut goes on at its byte. */
export class WholeUploads {
  readonly kept = new KeptBeginnings();
  readonly #home: UploadsHome;
  readonly #turns = new NewestTurns();

  constructor(home: UploadsHome) {
    this.#home = home;
  }

  /** How many bytes of it are there, once what is under way of it has ended; all, when that came to its end. */
  async held(key: string, content: Content): Promise<number> {
    const name = nameOf(key, content);
    return (await this.#turns.end(name)) ? content.size : this.kept.bytesOf(name);
  }

  /** Ends and forgets what there is of keys that begin with `prefix`. */
  async forget(prefix: string): Promise<void> {
    await this.#turns.endAll(prefix, new PerigeeError("UPLINK_NOT_FOUND", "The upload has ended"));
    await this.kept.dropPrefix(prefix);
  }

  /** @param from bytes that are there already. @throws RANGE_NOT_SATISFIABLE when it is not so many that are */
  async write(target: PartTarget, from: number, body: Readable, signal?: AbortSignal): Promise<void> {
    const work = (ended?: AbortSignal) => this.#goOn(target, from, body, ended);
    return target.kept ? this.#turns.run(nameOf(target.key, target.part), work, signal) : work(signal);
  }

  async #goOn(target: PartTarget, from: number, body: Readable, signal?: AbortSignal): Promise<void> {
    const { key, part, kept } = target;
    const name = nameOf(key, part);
    if (kept && from === 0) await this.kept.drop(name);
    const begun = kept && from > 0 ? this.kept.take(name, from) : undefined;
    if (from > 0 && !begun) throw notThere(from);
    const of = begun ?? { file: this.#home.tempPath(), bytes: 0, hash: new Crc32Hash() };
    try {
      await this.#store(key, part, of, body, signal);
    } catch (error) {
      if (kept && isCut(error) && of.bytes >= LEAST_KEPT && of.bytes < part.size)
        await this.kept.keep(name, key, of);
      else await rm(of.file, { force: true });
      throw error;
    }
  }

  /** Stores what is there and what comes as one object; of what is cut, `there` tells how much is in its file. */
  async #store(key: string, content: Content, there: Beginning, body: Readable, signal?: AbortSignal) {
    const { object } = this.#home.pathsOf(key);
    const { file: temp, bytes: before, hash } = there;
    await using file = await open(temp, before > 0 ? "r+" : "wx", 0o600);
    const beforeWrite = (bytes: number) => this.#home.take(bytes);
    const options = { maxBytes: content.size - before, position: before, beforeWrite, hash };
    const sink = new FileSink(file.fd, options);
    try {
      await receiveChecked(sink, content, body, signal, before);
    } catch (error) {
      if (isCut(error)) {
        await sink.settle();
        // What a write-back loses later no other descriptor would hear of.
        await file.datasync();
        there.bytes = before + sink.size;
      }
      throw error;
    }
    await file.sync();
    await this.#home.place(temp, object);
  }
}

function isCut(error: unknown): boolean {
  return error instanceof Superseded || CUTS.has((error as { code?: unknown }).code);
}

function nameOf(key: string, { size, crc32 }: Content): string {
  return `${key} ${size} ${crc32}`;
}

function notThere(from: number): PerigeeError {
  return new PerigeeError("RANGE_NOT_SATISFIABLE", `The first ${from} bytes are not there`);
}
