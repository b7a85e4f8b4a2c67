/**
 * How many new commands of each lane the agent takes now: the lane's width, less what it has of it. Where all lanes
 * together are wider than `most`, the wide ones are narrowed and none is closed.
 *
 * @example
 * roomOf({ em: 1, jobs: 8 }, new Map([["jobs", 3]]), 256); // → { em: 1, jobs: 5 }
 */
export function roomOf(
  widths: Readonly<Record<string, number>>,
  held: ReadonlyMap<string, number>,
  most: number,
): Record<string, number> {
  const room: Record<string, number> = {};
  let left = most;
  const narrowFirst = Object.entries(widths).sort(([, a], [, b]) => a - b);
  for (const [i, [lane, width]] of narrowFirst.entries()) {
    const share = Math.min(width, Math.max(1, Math.floor(left / (narrowFirst.length - i))));
    left -= share;
    room[lane] = Math.max(0, share - (held.get(lane) ?? 0));
  }
  return room;
}
