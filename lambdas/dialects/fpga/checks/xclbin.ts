import { CHECK_BOUNDS } from "./bounds.ts";
import { type Finding, finding } from "./finding.ts";
import { HeadWindow } from "./head-window.ts";
import { printable } from "./printable.ts";

/** What an xclbin says of itself. UUIDs as 32 hex digits. */
export type Xclbin = {
  mode: number;
  interfaceUuid: string;
  platform: string;
  uuid: string;
  sections: number;
  /** it holds a section that configures a device */
  configures: boolean;
};

const HEADER = 456;
const ENTRY = 40;
const MAGIC = Buffer.from("xclbin2\0", "latin1");
/** BITSTREAM, PDI, PDI of a partial design */
const CONFIGURING = [0, 18, 19];
/** hardware and software emulation, and hardware emulation with partial reconfiguration */
const EMULATION = [4, 5, 6];

const NOTHING = finding("FORMAT_INVALID", "the xclbin has no section BITSTREAM or PDI with content");

/** Is it whole, and of no use to a device? */
export const isOfNoUse = (found: Finding) => found === NOTHING || found.code === "EMULATION_BUILD";

/** Does a file that begins so claim to be an xclbin, of whichever version? */
export function isXclbin(head: Buffer): boolean {
  return head.subarray(0, 6).toString("latin1") === "xclbin";
}

/**
 * Reads an xclbin from its beginning: the header and the table of sections, one entry at a time, so that neither the
 * number of sections nor any length in the file decides how much is kept. It never throws.
 */
export class XclbinReader {
  readonly #header = new HeadWindow(HEADER);
  readonly #entry = new HeadWindow(ENTRY);
  #total = 0n;
  #sections = 0;
  #read = 0;
  #configures = false;
  #finding: Finding | undefined;

  push(chunk: Uint8Array): void {
    let rest = chunk;
    if (!this.#header.full) {
      const before = this.#header.bytes.length;
      this.#header.push(rest);
      rest = rest.subarray(this.#header.bytes.length - before);
      if (!this.#header.full) return;
      this.#readHeader();
    }
    while (rest.length > 0 && this.#read < this.#sections && !this.#finding) {
      const before = this.#entry.bytes.length;
      this.#entry.push(rest);
      rest = rest.subarray(this.#entry.bytes.length - before);
      if (this.#entry.full) this.#readEntry(this.#entry.bytes);
    }
  }

  /** @param size of what was pushed, bytes */
  finish(size: number): Xclbin | Finding {
    const head = this.#header.bytes;
    if (!head.subarray(0, MAGIC.length).equals(MAGIC)) {
      return finding(
        "FORMAT_INVALID",
        `an xclbin of the version ${printable(head.subarray(0, 7), 7)}: only xclbin2 is known`,
      );
    }
    if (!this.#header.full)
      return finding("FORMAT_TRUNCATED", `the header of an xclbin has ${HEADER} bytes, the file has ${size}`);
    if (this.#total > BigInt(size)) {
      return finding(
        "FORMAT_TRUNCATED",
        `the xclbin has ${this.#total} bytes by its header, the file has ${size}`,
      );
    }
    if (this.#finding) return this.#finding;
    if (BigInt(size) > this.#total && head.readInt32LE(8) <= 0) {
      return finding(
        "FORMAT_INVALID",
        `the xclbin has ${this.#total} bytes by its header and no signature, the file has ${size}`,
      );
    }
    const mode = head.readUInt16LE(332);
    if (EMULATION.includes(mode))
      return finding("EMULATION_BUILD", `the xclbin was built for emulation (mode ${mode})`);
    if (!this.#configures) return NOTHING;
    return {
      mode,
      interfaceUuid: head.toString("hex", 336, 352),
      platform: printable(head.subarray(352, 416), 64),
      uuid: head.toString("hex", 416, 432),
      sections: this.#sections,
      configures: true,
    };
  }

  #readHeader(): void {
    const head = this.#header.bytes;
    this.#total = head.readBigUInt64LE(304);
    const sections = head.readUInt32LE(448);
    if (sections < 1 || sections > CHECK_BOUNDS.sections) {
      this.#finding = finding(
        "FORMAT_INVALID",
        `the xclbin has ${sections} sections, not 1 to ${CHECK_BOUNDS.sections}`,
      );
    } else if (this.#tableEnd(sections) > this.#total) {
      this.#finding = finding("FORMAT_INVALID", "the table of sections reaches past the xclbin's end");
    } else if (!isName(head.subarray(352, 416))) {
      this.#finding = finding("FORMAT_INVALID", "the platform's name is not printable, or has no end");
    } else if (head.subarray(416, 432).every((byte) => byte === 0)) {
      this.#finding = finding("FORMAT_INVALID", "the xclbin's UUID is zero");
    } else this.#sections = sections;
  }

  #readEntry(entry: Buffer): void {
    const kind = entry.readUInt32LE(0);
    const offset = entry.readBigUInt64LE(24);
    const size = entry.readBigUInt64LE(32);
    if (offset + size > this.#total) {
      this.#finding = finding("FORMAT_INVALID", `section ${this.#read} reaches past the xclbin's end`);
    } else if (size > 0n && offset < this.#tableEnd(this.#sections)) {
      this.#finding = finding(
        "FORMAT_INVALID",
        `section ${this.#read} overlaps the header or the table of sections`,
      );
    } else if (size > 0n && CONFIGURING.includes(kind)) this.#configures = true;
    this.#read++;
    this.#entry.clear();
  }

  #tableEnd(sections: number): bigint {
    return BigInt(HEADER + ENTRY * sections);
  }
}

/** Printable ASCII that a NUL ends. */
function isName(bytes: Buffer): boolean {
  const end = bytes.indexOf(0);
  return end !== -1 && bytes.subarray(0, end).every((byte) => byte >= 0x20 && byte <= 0x7e);
}
