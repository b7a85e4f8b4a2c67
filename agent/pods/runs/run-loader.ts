import type { RunBook } from "./run-book.ts";
import type { RunEndings } from "./run-endings.ts";
import type { RunFpga } from "./run-fpga.ts";
import type { RunRecord } from "./run-record.ts";

export type LoaderDeps = {
  book: RunBook;
  endings: RunEndings;
  fpga: RunFpga;
  /** The device is its own and programmed: starts it. */
  launch(record: RunRecord): Promise<void>;
};

/** Loads of a run that were cut short, after which there is no other. */
const MOST_INTERRUPTIONS = 2;

/** The step between placement and launch of a run with an FPGA image: its device is programmed, for every run anew. */
export class RunLoader {
  readonly #deps: LoaderDeps;

  constructor(deps: LoaderDeps) {
    this.#deps = deps;
  }

  async load(record: RunRecord): Promise<void> {
    const { book, endings, fpga, launch } = this.#deps;
    const { run, user } = record;
    const image = record.fpga?.held;
    const node = record.fpga?.device;
    if (!image || node === undefined) {
      return failed(endings, record, { code: "NOT_STORED", message: "the edge does not hold the image" });
    }
    if (fpga.interruptions(run) >= MOST_INTERRUPTIONS) {
      const message = "the agent ended in the middle of two loads";
      return failed(endings, record, { code: "LOAD_INTERRUPTED", message });
    }
    const failure = await fpga.load({ run, user, node, image }).catch((error: unknown) => {
      book.assertOpen();
      // No load has begun: it waits like one that has no device, which another run may have, and its time counts.
      record.phase = "waiting";
      record.fpga = { held: image };
      book.save(record);
      throw error;
    });
    book.assertOpen();
    // it was stopped meanwhile: what is planned next ends it
    if (record.stopReason) return;
    if (failure) return failed(endings, record, failure);
    await launch(record);
  }
}

/** Ends a run whose device was not programmed: nothing of it was ever started. */
export function failed(
  endings: RunEndings,
  record: RunRecord,
  { code, message }: { code: string; message: string },
): void {
  endings.unstarted(record, "FpgaLoadError", `${code}: ${message}`);
}
