import fs from "node:fs";

/** Bytes of one read: the kernel gives one record for each, and refuses a buffer that is too small for it. */
const READ_BYTES = 8192;
/** Records that are read at one time: more than a kernel's log holds. */
const MOST_READS = 100_000;
const MOST_LINES = 20;
/** Characters of all lines together: they are a part of a load's message. */
const MOST_TEXT = 300;
/** The kernel's log from a moment on, without waiting for it. Where there is none, or it is not for us, it is empty. */
export class KernelLog {
  readonly #fd: number | undefined;

  /** The moment is now. @param path of `/dev/kmsg` */
  constructor(path: string) {
    try {
      this.#fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
    } catch {
      return;
    }
    this.#read(() => {});
  }

  /**
   * What it said of one FPGA manager since, the last lines of it. What it says of another, or of a process that has the
   * word in its name, may be another user's.
   * @param manager its name, `fpga0`
   */
  lines(manager: string): string[] {
    const begin = `fpga_manager ${manager}: `;
    let text = "";
    this.#read((piece) => {
      text = `${text}${piece}`.slice(-MOST_LINES * READ_BYTES);
    });
    const lines = text
      .split("\n")
      // `level,number,time,flags;text`, and lines of keys that begin with a space
      .map((line) => (line.startsWith(" ") ? "" : line.slice(line.indexOf(";") + 1)))
      .filter((line) => line.startsWith(begin))
      .map((line) => line.replaceAll(/[^\x20-\x7e]/g, "?"))
      .slice(-MOST_LINES);
    while (lines.length > 1 && lines.join("; ").length > MOST_TEXT) lines.shift();
    return lines.map((line) => line.slice(0, MOST_TEXT));
  }

  close(): void {
    if (this.#fd !== undefined) fs.closeSync(this.#fd);
  }

  #read(take: (piece: string) => void): void {
    if (this.#fd === undefined) return;
    const buffer = Buffer.alloc(READ_BYTES);
    for (let reads = 0; reads < MOST_READS; reads++) {
      try {
        const bytes = fs.readSync(this.#fd, buffer);
        if (bytes === 0) return;
        take(buffer.toString("utf8", 0, bytes));
      } catch (error) {
        // EPIPE: what was next has been overwritten meanwhile, and the next read goes on behind it
        if ((error as NodeJS.ErrnoException).code !== "EPIPE") return;
      }
    }
  }
}
