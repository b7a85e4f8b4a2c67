/** One measured comparison; `ratio` is against the peer of the same run. */
export type Row = {
  what: string;
  ours: string;
  peer: string;
  ratio: number;
  /** what the ratio must be; none: for information */
  goal?: { atLeast: number } | { atMost: number } | { below: number };
};

export function met({ ratio, goal }: Row): boolean {
  if (!goal) return true;
  if ("atLeast" in goal) return ratio >= goal.atLeast;
  return "atMost" in goal ? ratio <= goal.atMost : ratio < goal.below;
}

function goalText({ goal }: Row): string {
  if (!goal) return "";
  if ("atLeast" in goal) return `≥ ${goal.atLeast}`;
  return "atMost" in goal ? `≤ ${goal.atMost}` : `< ${goal.below}`;
}

/** The rows as a Markdown table. */
export function table(rows: Row[]): string {
  const cells = rows.map((row) => [
    row.what,
    row.ours,
    row.peer,
    row.ratio.toFixed(2),
    goalText(row),
    row.goal ? (met(row) ? "yes" : "NO") : "",
  ]);
  const all = [["what", "ours", "peer", "ratio", "goal", "met"], ...cells];
  const widths = all[0]!.map((_, column) => Math.max(...all.map((line) => line[column]!.length)));
  const format = (line: string[]) =>
    `| ${line.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`;
  const rule = `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`;
  return [format(all[0]!), rule, ...all.slice(1).map(format)].join("\n");
}

/** The value below which the part `p` (0 to 1) of the samples lies. */
export function percentile(samples: number[], p: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))]!;
}

export const median = (samples: number[]): number => percentile(samples, 0.5);
