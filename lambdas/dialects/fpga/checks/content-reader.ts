import { CHECK_BOUNDS } from "./bounds.ts";
import type { Finding } from "./finding.ts";
import { HeadWindow } from "./head-window.ts";
import { type RawStream, rawStream } from "./raw-stream.ts";
import { TailWindow } from "./tail-window.ts";
import { isXclbin, type Xclbin, XclbinReader } from "./xclbin.ts";

/** What a node is programmed with: `unknown` is what fits none of the formats that are known and nothing foreign. */
export type FpgaFormat = "xilinx-bin-be" | "xilinx-bin-le" | "xclbin" | "unknown";

export type Content = {
  format: FpgaFormat;
  /** bytes */
  size: number;
  raw?: RawStream;
  xclbin?: Xclbin;
  finding?: Finding;
};

/** Reads what a device is programmed with, a file or the payload of a container, in constant memory. It never throws. */
export class ContentReader {
  readonly #head = new HeadWindow(CHECK_BOUNDS.head);
  readonly #tail = new TailWindow(CHECK_BOUNDS.tail);
  readonly #xclbin = new XclbinReader();
  #size = 0;

  get head(): Buffer {
    return this.#head.bytes;
  }

  push(chunk: Uint8Array): void {
    this.#size += chunk.length;
    this.#head.push(chunk);
    this.#tail.push(chunk);
    this.#xclbin.push(chunk);
  }

  finish(): Content {
    const size = this.#size;
    if (isXclbin(this.head)) {
      const read = this.#xclbin.finish(size);
      return { format: "xclbin", size, ...("code" in read ? { finding: read } : { xclbin: read }) };
    }
    const raw = rawStream(this.head, this.#tail.bytes, size);
    if (!raw?.wholeWords) return { format: "unknown", size, ...(raw && { raw }) };
    return { format: raw.order === "big" ? "xilinx-bin-be" : "xilinx-bin-le", size, raw };
  }
}
