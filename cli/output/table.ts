import { stripVTControlCharacters, styleText } from "node:util";
import { cutToWidth, displayWidth } from "./display-width.ts";
import { safe } from "./text.ts";

export type TableOptions = {
  /** columns of numbers, right-aligned */
  right?: number[];
  /** columns that are cut first when the table is too wide, those of free text */
  cut?: number[];
  /** columns of the terminal (default: unlimited, nothing is cut) */
  width?: number;
};

const GAP = "  ";
/** Least width of a cut cell, if its header is not longer. */
const LEAST = 6;

/** Rows in columns under their headers. Cells are made safe for a terminal; long ones are cut and end in `…`. */
export function table(headers: string[], rows: unknown[][], options: TableOptions = {}): string {
  const { right = [], cut = [], width } = options;
  const cells = rows.map((row) => row.map((cell) => safe(cell ?? "-")));
  const widths = headers.map((header, column) =>
    cells.reduce((most, row) => Math.max(most, displayWidth(row[column] ?? "")), displayWidth(header)),
  );
  if (width !== undefined) {
    const room = width - GAP.length * (headers.length - 1);
    const least = headers.map((header, column) =>
      Math.min(widths[column]!, Math.max(LEAST, displayWidth(header))),
    );
    shrink(widths, least, cut, room);
    shrink(widths, least, [...widths.keys()], room);
  }
  const line = (row: string[]) =>
    row
      .map((whole, column) => {
        const cell = cutToWidth(whole, widths[column]!);
        const space = " ".repeat(widths[column]! - displayWidth(cell));
        return right.includes(column) ? space + cell : cell + space;
      })
      .join(GAP)
      .trimEnd();
  return [styleText("bold", line(headers), { stream: process.stdout }), ...cells.map(line)].join("\n");
}

/** Narrows the widest of `columns` until all of `widths` fit into `room`, or each has its least width. */
function shrink(widths: number[], least: number[], columns: number[], room: number): void {
  for (const column of columns) {
    // a cell may be megabytes long
    widths[column] = Math.min(widths[column]!, Math.max(room, least[column]!));
  }
  let over = widths.reduce((sum, width) => sum + width, 0) - room;
  for (; over > 0; over--) {
    const [widest] = columns
      .filter((column) => widths[column]! > least[column]!)
      .sort((a, b) => widths[b]! - widths[a]!);
    if (widest === undefined) return;
    widths[widest] = widths[widest]! - 1;
  }
}

/** `key: value` lines with aligned values. Undefined values are left out. */
export function record(fields: Record<string, unknown>): string {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  const width = entries.reduce((most, [key]) => Math.max(most, stripVTControlCharacters(key).length), 0);
  return entries.map(([key, value]) => `${`${key}:`.padEnd(width + 1)} ${safe(value)}`).join("\n");
}
