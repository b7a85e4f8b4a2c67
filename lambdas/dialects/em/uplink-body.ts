import type { Readable } from "node:stream";
import { Busboy, type BusboyFileStream, type BusboyInstance } from "@fastify/busboy";
import { PerigeeError } from "#protocol/errors.ts";
import { KiB, LIMITS, MiB } from "#protocol/limits.ts";
import { byteQuotaExceeded } from "#protocol/quota-exceeded.ts";
import type { StoredObject } from "../../ports/staging.ts";

/** Files that are being stored at once; a large one is alone, as the body brings one after another. */
const AT_ONCE = 8;
/** Whole files waiting in memory to be stored: over this the body waits. */
const BACKLOG = 16;
const FILE_BUFFER = 1 * MiB;
const FIELDS = 1_000;

export type ReceivedFile = StoredObject & { n: number; name: string };

export type UplinkBody = {
  contentType: string;
  /** bytes that the files may have together before the user's quota is met */
  allowance: number;
  /** ms without a byte after which the client is given up (default 120,000) */
  idleMs?: number;
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
 * browsers send for an empty field, are no files.
 * @throws NO_FILES for an empty body, MAX_UPLINK_SIZE_EXCEEDED, TOO_MANY_FILES, QUOTA_EXCEEDED,
 * INVALID_PARAMETERS when the body is malformed or ends early, and whatever a callback throws
 */
export async function readUplinkBody(body: Readable, options: UplinkBody): Promise<ReceivedFile[]> {
  return new UplinkReader(body, options).run();
}

class UplinkReader {
  readonly #body: Readable;
  readonly #options: UplinkBody;
  readonly #form: BusboyInstance;
  readonly #abort = new AbortController();
  readonly #done = Promise.withResolvers<void>();
  readonly #received: ReceivedFile[] = [];
  readonly #storing = new Set<Promise<void>>();
  /** files that have begun and wait for their turn to be stored */
  readonly #waiting: (() => void)[] = [];
  readonly #streams = new Set<BusboyFileStream>();
  #failed = false;
  #failure: unknown;
  #formDone = false;
  #bodyDone = false;
  #files = 0;
  #bodyBytes = 0;
  /** bytes of the files before the last one */
  #before = 0;
  #last: BusboyFileStream | undefined;
  #idle: NodeJS.Timeout | undefined;

  constructor(body: Readable, options: UplinkBody) {
    this.#body = body;
    this.#options = options;
    try {
      this.#form = new Busboy({
        headers: { "content-type": options.contentType },
        preservePath: true,
        fileHwm: FILE_BUFFER,
        limits: {
          fieldSize: 64 * KiB,
          fields: FIELDS,
          files: LIMITS.uplinkFiles,
          headerSize: 16 * KiB,
          headerPairs: 64,
        },
        isPartAFile: (_name, _type, fileName) => fileName !== undefined,
      });
    } catch (cause) {
      throw malformed(cause);
    }
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
    const form = this.#form;
    form.on("field", (name, value, _nameCut, valueCut) => {
      this.#guard(() => {
        if (valueCut) throw new PerigeeError("INVALID_PARAMETERS", `${name}: is over 64 KiB`);
        if (name !== undefined) this.#options.onField(name, value);
      });
    });
    form.on("file", (_field, file, name) => this.#begin(file, unescaped(name)));
    form.on("filesLimit", () =>
      this.#fail(new PerigeeError("TOO_MANY_FILES", `One uplink takes at most ${LIMITS.uplinkFiles} files`)),
    );
    form.on("fieldsLimit", () =>
      this.#fail(new PerigeeError("INVALID_PARAMETERS", `The form has more than ${FIELDS} fields`)),
    );
    form.on("error", (error) => this.#fail(this.#bodyBytes === 0 ? noFiles() : malformed(error)));
    form.on("finish", () => {
      this.#formDone = true;
      this.#settle();
    });
    form.on("drain", () => this.#flow());
    const body = this.#body;
    body.on("data", this.#onData).on("end", this.#onEnd).on("error", this.#onCut).on("close", this.#onCut);
    if (body.destroyed && !body.readableEnded) this.#onCut();
    else this.#armIdle();
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#bodyBytes += chunk.length;
    const more = this.#form.write(chunk);
    this.#guard(() => this.#checkSize());
    if (!this.#failed && (!more || this.#waiting.length > BACKLOG)) {
      clearTimeout(this.#idle);
      this.#body.pause();
    } else this.#idle?.refresh();
  };

  readonly #onEnd = (): void => {
    clearTimeout(this.#idle);
    this.#bodyDone = true;
    this.#form.end();
    this.#settle();
  };

  readonly #onCut = (): void => {
    if (!this.#bodyDone) this.#fail(malformed(new Error("the client went away")));
  };

  #begin(file: BusboyFileStream, name: string): void {
    file.on("error", () => {});
    if (this.#failed) return;
    this.#before += this.#last?.bytesRead ?? 0;
    this.#last = file;
    if (name === "") {
      this.#skipNameless(file);
      return;
    }
    const n = this.#files++;
    this.#guard(() => this.#options.onFile(name));
    if (this.#failed) return;
    this.#streams.add(file);
    const start = () => {
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
    };
    if (this.#storing.size < AT_ONCE) start();
    else this.#waiting.push(start);
  }

  #skipNameless(file: BusboyFileStream): void {
    file.on("data", () => this.#fail(new PerigeeError("INVALID_PARAMETERS", "files: a file has no name")));
  }

  #checkSize(): void {
    const bytes = this.#before + (this.#last?.bytesRead ?? 0);
    if (bytes > LIMITS.uplinkBytes || this.#bodyBytes > LIMITS.uplinkBodyBytes) throw uplinkTooLarge();
    if (bytes > this.#options.allowance) {
      throw byteQuotaExceeded();
    }
  }

  #flow(): void {
    if (this.#failed || this.#bodyDone || this.#form.writableNeedDrain) return;
    if (!this.#body.isPaused() || this.#waiting.length > BACKLOG) return;
    this.#armIdle();
    this.#body.resume();
  }

  #settle(): void {
    if (!this.#formDone || !this.#bodyDone) return;
    // The last piece may have waited in the parser when it was counted.
    this.#guard(() => this.#checkSize());
    if (!this.#failed) this.#done.resolve();
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

/** Browsers, curl and others write a quote and line ends of a file name so, and nothing else. */
function unescaped(name: string): string {
  return name.replace(/%(22|0D|0A)/gi, (_all, code) => String.fromCharCode(Number.parseInt(code, 16)));
}

export function uplinkTooLarge(): PerigeeError {
  return new PerigeeError("MAX_UPLINK_SIZE_EXCEEDED", "Total upload size exceeds 2 GB");
}

export function noFiles(): PerigeeError {
  return new PerigeeError("NO_FILES", "No files were provided for uplink!");
}

function malformed(cause: unknown): PerigeeError {
  return new PerigeeError("INVALID_PARAMETERS", "The body is not a whole multipart form", { cause });
}
