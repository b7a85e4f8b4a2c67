import { styleText } from "node:util";
import type { CliFailure } from "../failure.ts";
import { stringifyExact } from "../json.ts";
import { barLine } from "./bar.ts";
import { cutToWidth } from "./display-width.ts";
import { type TableOptions, table } from "./table.ts";
import { safe, safeLines } from "./text.ts";

export type Step = { done: number; total?: number; unit?: "bytes" | "files" | "steps"; from?: number };

/**
 * All output: results go to stdout; notices, waiting and progress go to stderr (with `json` as one object per line,
 * and without bars).
 */
export class Output {
  readonly json: boolean;
  readonly #wide: boolean;
  readonly #live: boolean;
  #shown = false;
  #drawn = 0;
  #phase = "";
  #phaseStart = 0;
  #waiting = "";

  /** @param options.wide do not cut the cells of tables to the width of the terminal (default false) */
  constructor(json: boolean, options: { wide?: boolean } = {}) {
    this.json = json;
    this.#wide = options.wide === true;
    this.#live = !json && process.stderr.isTTY === true && process.env.TERM !== "dumb";
  }

  /** Are progress bars drawn? */
  get live(): boolean {
    return this.#live;
  }

  /** Prints the result: `body` as JSON, or the text that `text` makes of it. */
  result(body: unknown, text: () => string): void {
    this.clear();
    const shown = this.json ? stringifyExact(body, process.stdout.isTTY ? 2 : undefined) : text();
    if (shown !== "") process.stdout.write(`${shown}\n`);
  }

  /** A table for {@link result}: cut to the width of a terminal, complete elsewhere. */
  table(headers: string[], rows: unknown[][], options: Pick<TableOptions, "right" | "cut"> = {}): string {
    const { isTTY, columns } = process.stdout;
    const narrow = isTTY && columns > 0 && !this.#wide;
    return table(headers, rows, { ...options, ...(narrow && { width: columns }) });
  }

  notice(text: string, fields: Record<string, unknown> = {}): void {
    this.clear();
    process.stderr.write(this.json ? `${stringifyExact({ notice: text, ...fields })}\n` : `${safe(text)}\n`);
  }

  /** Tells what is waited for: on a terminal one line that is redrawn, elsewhere a line per change. */
  waiting(text: string, fields: Record<string, unknown> = {}): void {
    if (this.#live) this.#draw(text);
    else if (text !== this.#waiting) this.notice(text, fields);
    this.#waiting = text;
  }

  /** Shows the progress of a phase. Cheap enough to be called for every chunk. */
  step(label: string, step: Step): void {
    const now = performance.now();
    const fresh = label !== this.#phase;
    if (fresh) {
      this.#phase = label;
      this.#phaseStart = now;
    }
    if (!this.#live || (!fresh && now - this.#drawn < 100 && step.done !== step.total)) return;
    this.#drawn = now;
    const state = {
      ...step,
      label: safe(label),
      unit: step.unit ?? "bytes",
      elapsedMs: now - this.#phaseStart,
    };
    this.#draw(barLine(state, (process.stderr.columns || 80) - 1));
  }

  /** Clears the live line. */
  clear(): void {
    if (this.#shown) process.stderr.write("\r\x1b[K");
    this.#shown = false;
  }

  failure(failure: CliFailure): void {
    this.clear();
    const { code, message, hint, exit, fields } = failure;
    if (this.json) {
      process.stderr.write(`${stringifyExact({ ...fields, error: code, message, exit_code: exit, hint })}\n`);
      return;
    }
    const tail = Array.isArray(fields.log_tail) ? fields.log_tail : [];
    for (const line of tail) process.stderr.write(`  ${safeLines(String(line).trimEnd())}\n`);
    const head = styleText("red", "perigee:", { stream: process.stderr });
    process.stderr.write(`${head} ${safe(message)} (${safe(code)})\n`);
    if (typeof fields.command_id === "string") process.stderr.write(`command: ${safe(fields.command_id)}\n`);
    if (hint) process.stderr.write(`${safe(hint)}\n`);
  }

  #draw(text: string): void {
    process.stderr.write(`\r${cutToWidth(safe(text), (process.stderr.columns || 80) - 1)}\x1b[K`);
    this.#shown = true;
  }
}
