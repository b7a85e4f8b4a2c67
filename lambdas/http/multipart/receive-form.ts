import { Readable } from "node:stream";
import { PerigeeError } from "#protocol/errors.ts";
import { KiB, LIMITS, MiB } from "#protocol/limits.ts";
import { byteQuotaExceeded } from "#protocol/quota-exceeded.ts";
import { decodeAnyText } from "../decode-text.ts";
import { boundaryOf } from "../media-type.ts";
import { MultipartParser, type PartSink } from "./multipart-parser.ts";
import { type PartHeader, partError, readPartHeader } from "./part-header.ts";
import { partText } from "./read-form.ts";

/** Files that are being stored at once; a large one is alone, as the body brings one after another. */
const AT_ONCE = 8;
/** Whole files waiting in memory to be stored: over this the body waits. */
const BACKLOG = 16;
const FILE_BUFFER = 1 * MiB;

export type ReceivedFile<T> = T & { n: number; name: string; field: string };

/** What a route takes in a form, and what it says to more. */
export type FormOptions<T> = {
  contentType: string;
  /** Is the part a field? Any other is a file. What it throws ends the call. */
  isField: (part: PartHeader) => boolean;
  /** Called for each field as it comes; what it throws ends the call. */
  onField: (name: string, value: string) => void;
  /** Called for each file as it begins, with its file name and the name of its part; what it throws ends the call. */
  onFile: (name: string, field: string) => void;
  /** Stores file `n`; must stop soon when `signal` aborts. */
  store: (n: number, body: Readable, signal: AbortSignal) => Promise<T>;
  most: {
    files: number;
    /** of the files together */
    bytes: number;
    /** of the whole body */
    bodyBytes: number;
    /** default LIMITS.formFields */
    fields?: number;
    /** of one field (default LIMITS.fieldBytes) */
    fieldBytes?: number;
  };
  /** text that is not UTF-8, also in names: U+FFFD takes its place (default: it is refused) */
  anyText?: boolean;
  /** bytes that the files may have together before the user's quota is met (default: no bound but `most.bytes`) */
  allowance?: number;
  /** ms without a byte after which the client is given up (default 120,000) */
  idleMs?: number;
  refusals: {
    tooLarge: () => Error;
    tooManyFiles: () => Error;
    /** of a form without files (default: it is taken) */
    noFiles?: () => Error;
  };
  /**
   * Takes a part that would be a file but carries no file name at all, while there are no files; `refusal` is what it
   * throws of what it does not take (default: it is refused).
   */
  takeUnnamed?: (refusal: PerigeeError) => PartSink;
};

/**
 * Reads a multipart form with files: fields and files in any order, each file stored while it comes in, so that
 * memory does not grow with the body. Whatever ends it early, it returns only when nothing is being stored any more,
 * and leaves `body` open, paused where it was. Files without a name and content, as browsers send for an empty field,
 * are no files. No part is left out: what is neither a field nor a file is refused.
 * @throws what `refusals` says, QUOTA_EXCEEDED, INVALID_PARAMETERS when the body is malformed or ends early, and
 * whatever a callback throws
 * @example
 * const files = await receiveForm(body, {
 *   contentType,
 *   isField: ({ fileName }) => fileName === undefined,
 *   onField: (name, value) => fields.set(name, value),
 *   onFile: () => {},
 *   store: (n, file, signal) => staging.put(`${prefix}${n}`, file, { maxBytes, signal }),
 *   most: { files: 100, bytes: maxBytes, bodyBytes: 2 * maxBytes },
 *   refusals: { tooLarge, tooManyFiles },
 * });
 */
export async function receiveForm<T>(body: Readable, options: FormOptions<T>): Promise<ReceivedFile<T>[]> {
  return new FormReceiver(body, options).run();
}

class FormReceiver<T> {
  readonly #body: Readable;
  readonly #options: FormOptions<T>;
  readonly #form: MultipartParser;
  readonly #abort = new AbortController();
  readonly #done = Promise.withResolvers<void>();
  readonly #received: ReceivedFile<T>[] = [];
  readonly #storing = new Set<Promise<void>>();
  /** files that have begun and wait for their turn to be stored */
  readonly #waiting: (() => void)[] = [];
  readonly #streams = new Set<FileContent>();
  /** files that are not read as fast as they come in */
  readonly #full = new Set<FileContent>();
  #failed = false;
  #failure: unknown;
  #bodyDone = false;
  #files = 0;
  #fields = 0;
  /** what is wrong with the first part that would be a file, if it had a name */
  #nameless: PerigeeError | undefined;
  #bodyBytes = 0;
  /** bytes of the files before the last one */
  #before = 0;
  #last: FileContent | undefined;
  #idle: NodeJS.Timeout | undefined;

  constructor(body: Readable, options: FormOptions<T>) {
    this.#body = body;
    this.#options = options;
    this.#form = new MultipartParser(boundaryOf(options.contentType), (block, number) =>
      this.#part(readPartHeader(block, number, options.anyText), number),
    );
  }

  async run(): Promise<ReceivedFile<T>[]> {
    this.#listen();
    try {
      await this.#done.promise;
      while (this.#storing.size > 0) await Promise.all(this.#storing);
      // a failure of storing after the body's end
      if (this.#failed) throw this.#failure;
      return this.#received.sort((a, b) => a.n - b.n);
    } finally {
      this.#stopReading();
      await Promise.allSettled(this.#storing);
    }
  }

  #listen(): void {
    const body = this.#body;
    body.on("data", this.#onData).on("end", this.#onEnd).on("error", this.#onCut).on("close", this.#onCut);
    if (body.destroyed && !body.readableEnded) this.#onCut();
    else this.#armIdle();
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#bodyBytes += chunk.length;
    this.#guard(() => {
      this.#form.write(chunk);
      this.#checkSize();
    });
    if (this.#failed || this.#isFull()) {
      clearTimeout(this.#idle);
      this.#body.pause();
    } else this.#idle?.refresh();
  };

  readonly #onEnd = (): void => {
    clearTimeout(this.#idle);
    this.#bodyDone = true;
    this.#guard(() => {
      const { noFiles } = this.#options.refusals;
      if (this.#bodyBytes === 0 && noFiles) throw noFiles();
      this.#form.end();
      // The last piece may have waited in the parser when it was counted.
      this.#checkSize();
      if (this.#files === 0 && noFiles) throw noFiles();
    });
    if (!this.#failed) this.#done.resolve();
  };

  readonly #onCut = (): void => {
    if (!this.#bodyDone) this.#fail(malformed(new Error("the client went away")));
  };

  /** Takes a part: a field, a file, or a file without a name, which is none as long as it is empty. */
  #part(header: PartHeader, number: number): PartSink {
    const { name, fileName } = header;
    if (this.#options.isField(header)) return this.#field(header, number);
    if (fileName) return this.#file(fileName, name);
    const nameless = partError(number, name, "a file must have a filename");
    if (fileName === undefined) {
      const { takeUnnamed } = this.#options;
      if (this.#files > 0 || !takeUnnamed) throw nameless;
      this.#nameless ??= nameless;
      return takeUnnamed(nameless);
    }
    return {
      data: () => {
        throw nameless;
      },
      end: () => {},
    };
  }

  #field(header: PartHeader, number: number): PartSink {
    const { fields: mostFields = LIMITS.formFields, fieldBytes = LIMITS.fieldBytes } = this.#options.most;
    if (++this.#fields > mostFields) {
      throw new PerigeeError("INVALID_PARAMETERS", `The form has more than ${mostFields} fields`);
    }
    const pieces: Buffer[] = [];
    let bytes = 0;
    return {
      data(piece) {
        bytes += piece.length;
        if (bytes > fieldBytes) throw partError(number, header.name, `is over ${fieldBytes / KiB} KiB`);
        pieces.push(piece);
      },
      end: () => {
        const { anyText, contentType, onField } = this.#options;
        const bytes = Buffer.concat(pieces);
        onField(header.name, anyText ? decodeAnyText(bytes) : partText(bytes, header, number, contentType));
      },
    };
  }

  #file(name: string, field: string): PartSink {
    if (this.#nameless) throw this.#nameless;
    if (this.#files === this.#options.most.files) throw this.#options.refusals.tooManyFiles();
    const n = this.#files++;
    this.#options.onFile(name, field);
    const file = new FileContent(() => this.#wanted(file));
    file.once("close", () => this.#wanted(file));
    this.#before += this.#last?.bytes ?? 0;
    this.#last = file;
    this.#streams.add(file);
    this.#whenThereIsRoom(() => this.#store({ n, name, field }, file));
    return {
      data: (piece) => void (file.add(piece) || this.#full.add(file)),
      end: () => void file.push(null),
    };
  }

  #whenThereIsRoom(start: () => void): void {
    if (this.#storing.size < AT_ONCE) start();
    else this.#waiting.push(start);
  }

  #store(of: { n: number; name: string; field: string }, file: FileContent): void {
    const { signal } = this.#abort;
    const stored = this.#options
      .store(of.n, file, signal)
      .then((object) => void this.#received.push({ ...object, ...of }))
      .catch((error) => this.#fail(error))
      .finally(() => {
        this.#streams.delete(file);
        this.#storing.delete(stored);
        if (!this.#failed) this.#waiting.shift()?.();
        this.#flow();
      });
    this.#storing.add(stored);
  }

  /** Somebody reads on in `file`, or never will again. */
  #wanted(file: FileContent): void {
    if (this.#full.delete(file)) this.#flow();
  }

  #isFull(): boolean {
    return this.#full.size > 0 || this.#waiting.length > BACKLOG;
  }

  #checkSize(): void {
    const bytes = this.#before + (this.#last?.bytes ?? 0);
    const { most, allowance = most.bytes, refusals } = this.#options;
    if (bytes > most.bytes || this.#bodyBytes > most.bodyBytes) throw refusals.tooLarge();
    if (bytes > allowance) throw byteQuotaExceeded();
  }

  #flow(): void {
    if (this.#failed || this.#bodyDone || !this.#body.isPaused() || this.#isFull()) return;
    this.#armIdle();
    this.#body.resume();
  }

  #armIdle(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(
      () => this.#fail(malformed(new Error("the client sent nothing for too long"))),
      this.#options.idleMs ?? 120_000,
    );
  }

  #guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#failure = error;
    this.#stopReading();
    this.#done.reject(error);
    this.#abort.abort(error);
    for (const stream of this.#streams) stream.destroy(error instanceof Error ? error : undefined);
  }

  #stopReading(): void {
    clearTimeout(this.#idle);
    const body = this.#body;
    body
      .off("data", this.#onData)
      .off("end", this.#onEnd)
      .off("error", this.#onCut)
      .off("close", this.#onCut);
    // a cut connection still tells its error to somebody
    body.on("error", () => {});
    if (!this.#bodyDone) body.pause();
  }
}

/** A file as it comes in. */
class FileContent extends Readable {
  bytes = 0;
  readonly #onWanted: () => void;

  constructor(onWanted: () => void) {
    super({ highWaterMark: FILE_BUFFER });
    this.#onWanted = onWanted;
    this.on("error", () => {});
  }

  /** Takes a piece; false when it is time to wait. */
  add(piece: Buffer): boolean {
    this.bytes += piece.length;
    return this.push(piece);
  }

  override _read(): void {
    this.#onWanted();
  }
}

function malformed(cause: unknown): PerigeeError {
  return new PerigeeError("INVALID_PARAMETERS", "The body is not a whole multipart form", { cause });
}
