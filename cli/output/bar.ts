import { bytes, duration } from "./text.ts";

export type BarState = {
  label: string;
  done: number;
  /** absent while unknown */
  total?: number;
  unit: "bytes" | "files" | "steps";
  /** ms since the phase started */
  elapsedMs: number;
  /** value of `done` at which this run started (a resumed transfer) */
  from?: number;
};

/** One line of progress, at most `width` columns. */
export function barLine(state: BarState, width: number): string {
  const { label, done, total, unit, elapsedMs, from = 0 } = state;
  const amount = (n: number) => (unit === "bytes" ? bytes(n) : `${n} ${unit}`);
  const rate = elapsedMs > 0 ? ((done - from) * 1000) / elapsedMs : 0;
  const speed = unit === "bytes" && rate > 0 && elapsedMs > 300 ? `  ${bytes(rate)}/s` : "";
  if (!total) return `${label}  ${done ? amount(done) : duration(elapsedMs)}${speed}`.slice(0, width);
  const share = Math.min(1, done / total);
  const left =
    rate > 0 && elapsedMs > 1000 && share < 1 ? `  ${duration(((total - done) / rate) * 1000)}` : "";
  const tail = ` ${String(Math.floor(share * 100)).padStart(3)}%  ${amount(done)} of ${amount(total)}${speed}${left}`;
  const room = Math.min(30, width - label.length - tail.length - 5);
  if (room < 8) return `${label} ${tail}`.slice(0, width);
  const full = Math.floor(share * room);
  return `${label}  [${"#".repeat(full)}${"-".repeat(room - full)}]${tail}`;
}
