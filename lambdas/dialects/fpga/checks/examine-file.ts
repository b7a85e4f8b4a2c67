import { createHash } from "node:crypto";
import { AeiReader, isAei } from "./aei.ts";
import { checkAeiMetadata } from "./aei-metadata.ts";
import { bitHeader } from "./bit-header.ts";
import { CHECK_BOUNDS } from "./bounds.ts";
import { checkContent } from "./check-content.ts";
import { CheckSheet } from "./check-sheet.ts";
import { ContentReader } from "./content-reader.ts";
import type { FileReport } from "./file-report.ts";
import { type Finding, finding } from "./finding.ts";
import { foreignFormat } from "./foreign-format.ts";

/** `key`: the object's name, which decides what may be in it; `metadata`: of the request, its JSON text. */
export type Examined = { key: string; metadata: string };

/**
 * Examines a file in one reading and constant memory. Whatever the bytes are, there is a report and no exception.
 * What depends on the nodes is compared afterwards, by `compareNodes`.
 */
export class FileExamination {
  readonly #examined: Examined;
  readonly #maxFile: number;
  readonly #content = new ContentReader();
  readonly #aei = new AeiReader();
  readonly #hash = createHash("sha256");
  #size = 0;
  /** SHA-256 of what an AEI's own digest is over */
  #aeiDigest: Buffer | undefined;
  /** the byte that all bytes so far are; undefined once two differ */
  #only: number | undefined;

  /** @param options.maxFile most bytes of a file (default CHECK_BOUNDS.maxFile) */
  constructor(examined: Examined, options: { maxFile?: number } = {}) {
    this.#examined = examined;
    this.#maxFile = options.maxFile ?? CHECK_BOUNDS.maxFile;
  }

  /** @returns false when the rest need not be read: the file is too large whatever follows */
  push(chunk: Uint8Array): boolean {
    const from = this.#size;
    this.#size += chunk.length;
    if (this.#size > this.#maxFile) return false;
    if (from === 0) this.#only = chunk[0];
    if (this.#only !== undefined && chunk.some((byte) => byte !== this.#only)) this.#only = undefined;
    this.#content.push(chunk);
    this.#aei.push(chunk);
    const cut = (this.#aei.digested ?? from) - from;
    if (cut > 0 && cut <= chunk.length) {
      this.#hash.update(chunk.subarray(0, cut));
      this.#aeiDigest = this.#hash.copy().digest();
      this.#hash.update(chunk.subarray(cut));
    } else this.#hash.update(chunk);
    return true;
  }

  /** What the file is; the examination is over. */
  finish(): FileReport {
    const sheet = new CheckSheet();
    const found = this.#check(sheet);
    const whole = this.#size <= this.#maxFile;
    return {
      size: this.#size,
      ...(whole && { sha256: this.#hash.digest("hex") }),
      ...found,
      checks: sheet.results,
      ...(sheet.finding && { finding: sheet.finding }),
    };
  }

  #check(sheet: CheckSheet): Partial<FileReport> {
    if (!sheet.decide(1, this.#unfit(), { bytes: this.#size })) return {};
    const head = this.#content.head;
    const foreign = foreignFormat(head);
    if (!sheet.decide(2, foreign ? finding("FORMAT_FOREIGN", `the file is ${foreign}`) : undefined))
      return {};
    const content = this.#content.finish();
    const aei = isAei(head);
    if (!sheet.decide(3, this.#misnamed(aei || content.format === "xclbin"))) return {};
    if (!sheet.decide(7, withBitHeader(head))) return {};
    if (!aei) return checkContent(sheet, content, 0);

    const container = this.#aei.finish(this.#aeiDigest);
    if ("code" in container) {
      sheet.decide(4, container);
      return { container: "aei" };
    }
    sheet.decide(4, undefined, { payloadAt: container.offset, payloadBytes: container.payload.size });
    if (!sheet.decide(5, checkAeiMetadata(container.metadata, this.#examined.metadata))) {
      return { container: "aei" };
    }
    return { container: "aei", ...checkContent(sheet, container.payload, container.offset) };
  }

  #unfit(): Finding | undefined {
    const { minFile } = CHECK_BOUNDS;
    if (this.#size > this.#maxFile) {
      return finding("OBJECT_TOO_LARGE", `the file has more than ${this.#maxFile} bytes`);
    }
    if (this.#size < minFile) {
      return finding("FORMAT_EMPTY", `the file has ${this.#size} bytes, fewer than ${minFile}`);
    }
    if (this.#only === 0x00 || this.#only === 0xff) {
      return finding("FORMAT_EMPTY", `every byte of the file is ${this.#only === 0 ? "00" : "FF"}`);
    }
    return undefined;
  }

  #misnamed(isContainer: boolean): Finding | undefined {
    if (isContainer || !this.#examined.key.endsWith("xclbin")) return undefined;
    return finding(
      "FORMAT_INVALID",
      "a file whose name ends in xclbin holds an xclbin or an AEI container, this one neither",
    );
  }
}

function withBitHeader(head: Buffer): Finding | undefined {
  const header = bitHeader(head);
  if (!header) return undefined;
  const part = header.part === undefined ? "" : ` for the part ${header.part}`;
  return finding(
    "FORMAT_INVALID",
    `the file begins with the header of a .bit file${part}: remove all that stands before the padding and the sync word, or let the tools write a .bin file (write_bitstream -bin_file)`,
  );
}
