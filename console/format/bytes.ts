const UNITS = ["KiB", "MiB", "GiB", "TiB"];

/** `512 B`, `4.2 KiB`, `118 MiB`. */
export function bytes(count: number): string {
  if (count < 1024) return `${count} B`;
  let value = count / 1024;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}
