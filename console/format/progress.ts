import type { Command } from "../api/types.ts";
import { duration } from "./age.ts";
import { bytes } from "./bytes.ts";

/** A rate says nothing before so many seconds. */
const SETTLED_S = 2;

/** How far a command is, how fast, and how long that leaves: `sending 3 MB of 9 MB · 1 MB/s · 6 s left`. */
export function progressText(command: Command, now: number): string {
  const { phase, done, total, unit } = command.progress!;
  if (done === undefined) return phase;
  const words = (count: number) => (unit === "bytes" ? bytes(count) : `${count} ${unit ?? ""}`.trim());
  const parts = [`${phase} ${words(done)}${total ? ` of ${words(total)}` : ""}`];
  const begun = command.granted_at ?? command.claimed_at;
  const seconds = begun ? (now - Date.parse(begun)) / 1000 : 0;
  const rate = seconds > SETTLED_S ? done / seconds : 0;
  if (rate > 0 && unit === "bytes") parts.push(`${bytes(Math.round(rate))}/s`);
  if (rate > 0 && total && total > done) parts.push(`${duration((total - done) / rate)} left`);
  return parts.join(" · ");
}
