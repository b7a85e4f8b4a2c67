import { stripVTControlCharacters, styleText } from "node:util";
import { safe } from "./text.ts";

/** Columns set under their headers; numbers-to-be (`right`) to the right. Cells are made safe. */
export function table(headers: string[], rows: unknown[][], right: number[] = []): string {
  const cells = rows.map((row) => row.map((cell) => safe(cell ?? "-")));
  const widths = headers.map((header, column) =>
    cells.reduce((most, row) => Math.max(most, row[column]?.length ?? 0), header.length),
  );
  const line = (row: string[]) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return right.includes(column) ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd();
  return [styleText("bold", line(headers), { stream: process.stdout }), ...cells.map(line)].join("\n");
}

/** `key: value` lines, the keys in one column. Undefined values are left out. */
export function record(fields: Record<string, unknown>): string {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  const width = entries.reduce((most, [key]) => Math.max(most, stripVTControlCharacters(key).length), 0);
  return entries.map(([key, value]) => `${`${key}:`.padEnd(width + 1)} ${safe(value)}`).join("\n");
}
