const UNITS = [
  [86_400, "d"],
  [3600, "h"],
  [60, "min"],
] as const;

/** `12 s`, `5 min`, `3 h 20 min`, `2 d 4 h`. @param seconds from 0 */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const at = UNITS.findIndex(([unit]) => whole >= unit);
  const [unit, name] = UNITS[at]!;
  const count = Math.floor(whole / unit);
  const [below, belowName] = UNITS[at + 1] ?? [1, "s"];
  const rest = Math.floor((whole % unit) / below);
  return rest > 0 && count < 10 ? `${count} ${name} ${rest} ${belowName}` : `${count} ${name}`;
}

/** `just now`, `5 min ago`, `1 d ago`: to read at a glance. */
export function ago(seconds: number): string {
  const [count, unit] = duration(seconds).split(" ");
  return seconds < 2 ? "just now" : `${count} ${unit} ago`;
}

/** Seconds from an ISO time to `now` (ms since 1970). */
export function since(iso: string, now: number): number {
  return (now - Date.parse(iso)) / 1000;
}

// Intl takes a tenth of a second when it is first used, on a slow processor
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** `14:03:22` by the clock of the machine. @param now ms since 1970 */
export function localTime(now: number): string {
  const at = new Date(now);
  const parts = [at.getHours(), at.getMinutes(), at.getSeconds()];
  return parts.map((part) => String(part).padStart(2, "0")).join(":");
}

/** `14:03:22` or, on another day, `27 Nov 14:03:22`; UTC. */
export function utcTime(iso: string, now: number): string {
  const at = new Date(iso).toISOString();
  const time = at.slice(11, 19);
  if (at.slice(0, 10) === new Date(now).toISOString().slice(0, 10)) return time;
  const month = MONTHS[Number(at.slice(5, 7)) - 1];
  return `${Number(at.slice(8, 10))} ${month} ${time}`;
}
