export type CsvRow = { line: number; cells: string[] };

/** Text that is no CSV; `line` counts from 1. */
export class CsvError extends Error {
  override readonly name = "CsvError";
  readonly line: number;
  constructor(line: number, rule: string) {
    super(rule);
    this.line = line;
  }
}

/**
 * The rows of a CSV file as RFC 4180 has them, each with the number of its line. Quoted cells stay within their line;
 * empty lines and lines that begin with `#` are left out.
 * @throws CsvError
 */
export function readCsv(text: string): CsvRow[] {
  const rows: CsvRow[] = [];
  for (const [i, line] of text
    .replace(/^\ufeff/, "")
    .split(/\r?\n|\r/)
    .entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    rows.push({ line: i + 1, cells: cellsOf(line, i + 1) });
  }
  return rows;
}

function cellsOf(line: string, number: number): string[] {
  const cells: string[] = [];
  const cell = /\s*(?:"((?:[^"]|"")*)"\s*|([^",]*))(,|$)/y;
  for (let more = true; more; ) {
    const found = cell.exec(line);
    if (!found) throw new CsvError(number, `a quoted cell does not end, or something follows its quotes`);
    const [, quoted, plain = "", end] = found;
    cells.push(quoted === undefined ? plain.trim() : quoted.replaceAll('""', '"'));
    more = end === ",";
  }
  return cells;
}
