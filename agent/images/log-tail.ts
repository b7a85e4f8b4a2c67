import { LIMITS } from "#protocol/limits.ts";
import { cutBytes } from "../files/cut-bytes.ts";

/** The last lines of a log, each at most LIMITS.logTailLineBytes with its end. */
export class LogTail {
  readonly #lines: string[] = [];
  readonly #kept: string[] = [];
  readonly #onText: (text: string) => void;

  /** @param onText gets all that is added, as it comes */
  constructor(onText: (text: string) => void = () => {}) {
    this.#onText = onText;
  }

  /** Adds text that may hold several lines or none. */
  add(text: string): void {
    this.#onText(text);
    for (const line of text.split("\n")) {
      // what a terminal would show last of a line that was drawn over
      const shown = line.split("\r").findLast((part) => part !== "") ?? "";
      if (shown === "") continue;
      this.#lines.push(`${cut(shown)}\n`);
      if (this.#lines.length > LIMITS.logTailLines) this.#lines.shift();
    }
  }

  /** Adds a line that stays at the beginning, however many follow. */
  keep(line: string): void {
    this.#onText(line);
    this.#kept.push(`${cut(line)}\n`);
  }

  /** The last lines, as many as `text` has, which was added last: as they are shown. */
  endOf(text: string): string {
    const count = text.split(/[\r\n]+/).filter((line) => line !== "").length;
    return count === 0 ? "" : this.#lines.slice(-count).join("").trimEnd();
  }

  /** As `log_tail` goes to the user. */
  lines(): string[] {
    return [...this.#kept, ...this.#lines.slice(-Math.max(1, LIMITS.logTailLines - this.#kept.length))];
  }
}

function cut(line: string): string {
  return cutBytes(Buffer.from(line), LIMITS.logTailLineBytes - 1).toString();
}
