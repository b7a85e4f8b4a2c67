import { Readable } from "node:stream";
import { PerigeeError } from "#protocol/errors.ts";
import { KiB, LIMITS, MiB } from "#protocol/limits.ts";
import { byteQuotaExceeded } from "#protocol/quota-exceeded.ts";
import { boundaryOf } from "../../http/media-type.ts";
import { MultipartParser, type PartSink } from "../../http/multipart/multipart-parser.ts";
import { type PartHeader, partError, readPartHeader } from "../../http/multipart/part-header.ts";
import { partText } from "../../http/multipart/read-form.ts";
import type { StoredObject } from "../../ports/staging.ts";
import { noFiles, uplinkTooLarge } from "../../uplinks/uplink-refusals.ts";

/** Files that are being stored at once; a large one is alone, as the body brings one after another. */
const AT_ONCE = 8;
/** Whole files waiting in memory to be stored: over this the body waits. */
const BACKLOG = 16;
const FILE_BUFFER = 1 * MiB;

/** Names under which clients send files; other names with a file name are files too. */
const FILES = /^files(?:\[\d*\])*$/;

export type ReceivedFile = StoredObject & { n: number; name: string };

export type UplinkBody = {
  contentType: string;
  /** bytes that the files may have together before the user's quota is met */
  allowance: number;
  /** ms without a byte after which the client is given up (default 120,000) */
  idleMs?: number;
  /** Is this name a field, also when its part carries a file name? What it throws ends the call. */
  isField: (name: string) => boolean;
  /** Called for each field as it comes; what it throws ends the call. */
  onField: (name: string, value: string) => void;
  /** Called for each file as it begins; what it throws ends the call. */
  onFile: (name: string) => void;
  /** Stores file `n`; must stop soon when `signal` aborts. */
  store: (n: number, body: Readable, signal: AbortSignal) => Promise<StoredObject>;
};

/**
 * Reads the multipart body of an uplink: fields and files in any order, each file stored while it comes in,
 * so that memory does not grow with the body. Whatever ends it early, it returns only when nothing is being
 * stored any more, and leaves `body` open, paused where it was. Files without a name and content, as
 * browsers send for an empty field, are no files. No part is left out: what is neither a field nor a file is refused.
 * @throws NO_FILES for an empty body, MAX_UPLINK_SIZE_EXCEEDED, TOO_MANY_FILES, QUOTA_EXCEEDED,
 * INVALID_PARAMETERS when the body is malformed or ends early, and whatever a callback throws
 */
export async function readUplinkBody(body: Readable, options: UplinkBody): Promise<ReceivedFile[]> {
  return new UplinkReader(body, options).run();
}

class UplinkReader {
  readonly #body: Readable;
  readonly #options: UplinkBody;
  readonly #form: MultipartParser;
  readonly #abort = new AbortController();
  readonly #done = Promise.withResolvers<void>();
  readonly #received: ReceivedFile[] = [];
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

  constructor(body: Readable, options: UplinkBody) {
    this.#body = body;
    this.#options = options;
    this.#form = new MultipartParser(boundaryOf(options.contentType), (block, number) =>
      this.#part(readPartHeader(block, number), number),
    );
  }

  async run(): Promise<ReceivedFile[]> {
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
      if (this.#bodyBytes === 0) throw noFiles();
      this.#form.end();
      // The last piece may have waited in the parser when it was counted.
      this.#checkSize();
      if (this.#files === 0) throw noFiles();
    });
    if (!this.#failed) this.#done.resolve();
  };

  readonly #onCut = (): void => {
    if (!this.#bodyDone) this.#fail(malformed(new Error("the client went away")));
  };

  /** Takes a part: a field, a file, or a file without a name, which is none as long as it is empty. */
  #part(header: PartHeader, number: number): PartSink {
    const { name, fileName } = header;
    if (this.#options.isField(name) || (fileName === undefined && !FILES.test(name))) {
      return this.#field(header, number);
    }
    if (fileName) return this.#file(fileName);
    const nameless = partError(number, name, "a file must have a filename");
    if (fileName === undefined) {
      if (this.#files > 0) throw nameless;
      this.#nameless ??= nameless;
      return pathOnly(nameless);
    }
    return {
      data: () => {
        throw nameless;
      },
      end: () => {},
    };
  }

  #field(header: PartHeader, number: number): PartSink {
    const { formFields, fieldBytes } = LIMITS;
    if (++this.#fields > formFields) {
      throw new PerigeeError("INVALID_PARAMETERS", `The form has more than ${formFields} fields`);
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
        const text = partText(Buffer.concat(pieces), header, number, this.#options.contentType);
        this.#options.onField(header.name, text);
      },
    };
  }

  #file(name: string): PartSink {
    if (this.#nameless) throw this.#nameless;
    if (this.#files === LIMITS.uplinkFiles) {
      throw new PerigeeError("TOO_MANY_FILES", `One uplink takes at most ${LIMITS.uplinkFiles} files`);
    }
    const n = this.#files++;
    this.#options.onFile(name);
    const file = new FileContent(() => this.#wanted(file));
    file.once("close", () => this.#wanted(file));
    this.#before += this.#last?.bytes ?? 0;
    this.#last = file;
    this.#streams.add(file);
    this.#whenThereIsRoom(() => this.#store(n, name, file));
    return {
      data: (piece) => void (file.add(piece) || this.#full.add(file)),
      end: () => void file.push(null),
    };
  }

  #whenThereIsRoom(start: () => void): void {
    if (this.#storing.size < AT_ONCE) start();
    else this.#waiting.push(start);
  }

  #store(n: number, name: string, file: FileContent): void {
    const { signal } = this.#abort;
    const stored = this.#options
      .store(n, file, signal)
      .then((object) => void this.#received.push({ ...object, n, name }))
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
    if (bytes > LIMITS.uplinkBytes || this.#bodyBytes > LIMITS.uplinkBodyBytes) throw uplinkTooLarge();
    if (bytes > this.#options.allowance) {
      throw byteQuotaExceeded();
    }
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

/** Some send the path of a file where the file should be, which is no file; any other content is one without a name. */
function pathOnly(nameless: PerigeeError): PartSink {
  let bytes = 0;
  return {
    data(piece) {
      bytes += piece.length;
      if (bytes > LIMITS.pathBytes || piece.includes(0)) throw nameless;
    },
    end: () => {},
  };
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
