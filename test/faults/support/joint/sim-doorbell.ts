import type { MemoryDoorbell } from "#lambdas/adapters/long-poll/memory-doorbell.ts";
import type { Reached, SimNetwork } from "./sim-network.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** What an agent hears of the ground's bell: long polls that break, each from where the last one ended. */
export function simDoorbell(
  network: SimNetwork<Reached & { readonly bell: MemoryDoorbell }>,
  time: VirtualTime,
  edge: string,
): { wait(ms: number, signal?: AbortSignal): Promise<boolean> } {
  let cursor = "";
  const wait = async (ms: number, signal?: AbortSignal): Promise<boolean> => {
    const end = time.now + ms;
    while (time.now < end && !signal?.aborted) {
      const left = end - time.now;
      const poll = network.call(
        "doorbell",
        ({ bell }) => bell.waitAfter(edge, cursor, left, signal),
        left + 10_000,
      );
      const aborted = new Promise<undefined>((resolve) =>
        signal?.addEventListener("abort", () => resolve(undefined)),
      );
      try {
        const rung = await Promise.race([poll, aborted]);
        if (rung === undefined) continue;
        cursor = rung;
        return true;
      } catch {
        await time.sleep(Math.min(500, Math.max(0, end - time.now)));
      }
    }
    return false;
  };
  return { wait };
}
