import type { Command } from "../ledger/command.ts";
import type { TransferLeft } from "../windows/transfer-end.ts";

/** Phases of a command's progress in which its bytes cross the link. */
const DIRECTIONS: Record<string, TransferLeft["direction"]> = {
  receiving: "uplink",
  fetching: "uplink",
  sending: "downlink",
};

/** What of a command's transfer has still to cross the link; undefined while it is at none. */
export function transferLeft({ state, operation, input, progress }: Command): TransferLeft | undefined {
  if (state === "queued" && operation === "volume.uplink") {
    const { bytes } = input as { bytes?: unknown };
    return typeof bytes === "number" && bytes > 0 ? { bytes, direction: "uplink" } : undefined;
  }
  if (state !== "running" || progress?.unit !== "bytes") return undefined;
  const direction = DIRECTIONS[progress.phase];
  const { done = 0, total = 0 } = progress;
  return direction && total > done ? { bytes: total - done, direction } : undefined;
}
