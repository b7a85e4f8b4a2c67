import { isBegunAgain, leftOutOf } from "#protocol/log-notes.ts";
import type { RowPage } from "../../logs/log-rows.ts";

/** Bytes of the objects that are shown of a build's output: the newest. */
const OUTPUT_BYTES = 1024 * 1024;

type Line = { text: string; bytes: number };

/** A build's log as the engine's JSON objects, of which the newest are kept. */
export class BuildOutput {
  #lines: Line[] = [];
  /** of the objects that are kept */
  #bytes = 0;
  /** of the text that is not */
  #leftOut = 0;

  add({ rows, dropped }: Pick<RowPage, "rows" | "dropped">): void {
    const [first] = rows;
    if (dropped && first)
      this.#leftOut = Math.max(this.#leftOut, first.cursor - Buffer.byteLength(first.text));
    for (const row of rows) {
      const { text } = row;
      const leftOut = leftOutOf(row);
      if (leftOut !== undefined) {
        this.#drop(this.#lines.length);
        this.#leftOut += leftOut;
        continue;
      }
      if (isBegunAgain(row)) {
        this.#lines = [];
        this.#bytes = 0;
        this.#leftOut = 0;
        continue;
      }
      const line = {
        text: `${text}\n`,
        bytes: Buffer.byteLength(JSON.stringify({ stream: `${text}\n` })) + 1,
      };
      this.#lines.push(line);
      this.#bytes += line.bytes;
    }
    let over = 0;
    for (let left = this.#bytes; left > OUTPUT_BYTES; over++) left -= this.#lines[over]!.bytes;
    this.#drop(over);
  }

  #drop(count: number): void {
    for (const { text, bytes } of this.#lines.splice(0, count)) {
      this.#bytes -= bytes;
      this.#leftOut += Buffer.byteLength(text);
    }
  }

  /** Takes away the last lines, where they are those of `text`. */
  dropEnd(text: string): void {
    const wanted = shownLines(text);
    let at = this.#lines.length;
    while (wanted.length > 0 && at > 0) {
      const [line = ""] = shownLines(this.#lines[--at]!.text);
      if (line !== "" && wanted.pop() !== line) return;
    }
    if (wanted.length === 0) this.#lines.length = at;
  }

  /** Each line as the engine tells it, after one that says how much is left out. */
  objects(): { stream: string }[] {
    const first = this.#leftOut > 0 ? [{ stream: `[${this.#leftOut} bytes of output left out]\n` }] : [];
    return [...first, ...this.#lines.map(({ text }) => ({ stream: text }))];
  }
}

/** Lines as a terminal shows them at last: what the agent tells as a failure's reason. */
function shownLines(text: string): string[] {
  return text.split("\n").flatMap((line) => line.split("\r").findLast((part) => part !== "") ?? []);
}
