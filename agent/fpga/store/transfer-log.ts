import type { JournalEntry } from "../../operation.ts";

const MB = 1_048_576;
const STEP = "said";
/** Rows on what arrives, over all attempts; those on beginnings and ends come in any case. */
const MOST_ROWS = 100;
/** Characters of the whole: it goes with the command's result. */
const MOST_TEXT = 16_384;
/** A pause of this length (ms) between two pieces is told. */
const PAUSE_MS = 60_000;
const SHARE = 0.1;

/** What the agent has to tell of one file's transfer: a row for each thing, kept in the journal over all attempts. */
export class TransferLog {
  readonly #journal: JournalEntry;
  readonly #total: number;
  readonly #now: () => number;
  readonly #rows: string[];
  #told = 0;
  #done = 0;
  #at: number | undefined;

  /** @param total bytes of the file */
  constructor(journal: JournalEntry, total: number, now: () => number = Date.now) {
    this.#journal = journal;
    this.#total = total;
    this.#now = now;
    this.#rows = journal.notes.filter(({ step }) => step === STEP).map(({ detail }) => String(detail));
  }

  /** An earlier attempt has told something. */
  get isBegun(): boolean {
    return this.#rows.length > 0;
  }

  say(text: string): void {
    const row = `${new Date(this.#now()).toISOString()} ${text}`;
    this.#rows.push(row);
    this.#journal.noteSoon(STEP, row);
  }

  /** So many bytes are here. */
  arrived(done: number): void {
    const now = this.#now();
    const pause = this.#at === undefined ? 0 : now - this.#at;
    this.#at = now;
    if (this.#rows.length < MOST_ROWS) {
      if (pause >= PAUSE_MS)
        this.say(`nothing came for ${Math.round(pause / 1000)} s, then it went on at byte ${this.#done}`);
      if (done < this.#done) {
        this.say("what was here is not the file: it is received from its beginning");
        this.#told = 0;
      }
      if (done - this.#told >= this.#total * SHARE) {
        this.say(`received ${Math.floor(done / MB)} of ${Math.ceil(this.#total / MB)} MB`);
        this.#told = done;
      }
    }
    this.#done = done;
  }

  /** A row a line. */
  get text(): string {
    const text = this.#rows.map((row) => `${row}\n`).join("");
    return text.length <= MOST_TEXT ? text : text.slice(text.indexOf("\n", text.length - MOST_TEXT) + 1);
  }
}
