/**
 * A size of a measure, made smaller by BENCH_SCALE (0 to 1) to see that it works: its figures mean nothing then.
 * @returns a whole number from 1
 */
export function scaled(size: number): number {
  const scale = Number(process.env.BENCH_SCALE || 1);
  if (!(scale > 0 && scale <= 1))
    throw new Error(`BENCH_SCALE: ${process.env.BENCH_SCALE} is not above 0 and up to 1`);
  return Math.max(1, Math.round(size * scale));
}
