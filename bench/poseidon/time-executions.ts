import { setTimeout as sleep } from "node:timers/promises";
import { scaled } from "../scale.ts";
import { type PoseidonBench, time } from "./stack.ts";

const ROUNDS = scaled(100);
const WARM = 5;
const PAUSE_MS = 300;

/** `true` on a warm runner, from the connect to its `exit`, and `against` in turns with it: ms of each. */
export async function timeExecutions(
  { client }: PoseidonBench,
  runner: string,
  against: () => Promise<unknown>,
): Promise<{ ours: number[]; peer: number[] }> {
  const ours: number[] = [];
  const peer: number[] = [];
  for (let round = 0; round < ROUNDS + WARM; round++) {
    const url = await client.execute(runner, { command: "true" });
    const took = await time(async () => {
      const execution = client.connect(url);
      await execution.until(({ end }) => end?.type === "exit");
    });
    // each makes something ready afterwards, which is not to be in the other's way
    await sleep(PAUSE_MS);
    const other = await time(against);
    await sleep(PAUSE_MS);
    if (round < WARM) continue;
    ours.push(took);
    peer.push(other);
  }
  return { ours, peer };
}
