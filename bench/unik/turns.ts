import { median } from "../table.ts";

/** One measured piece of work, in ms; what it takes before and after is not measured. */
export type Turn = (round: number) => Promise<number>;

/** Median ms of ours and of the peer's, turn by turn; the first turn of both warms them. */
export async function inTurns(
  rounds: number,
  ours: Turn,
  peer: Turn,
): Promise<{ ours: number; peer: number; ratio: number }> {
  const took: { ours: number[]; peer: number[] } = { ours: [], peer: [] };
  for (let round = 0; round <= rounds; round++) {
    const both = { ours: await ours(round), peer: await peer(round) };
    if (round === 0) continue;
    took.ours.push(both.ours);
    took.peer.push(both.peer);
  }
  const [own, theirs] = [median(took.ours), median(took.peer)];
  return { ours: own, peer: theirs, ratio: own / theirs };
}
