import { LIVE_LIMITS } from "./live-limits.ts";

/** What is watched of a live socket between ground and agent; both sides do. */
export type WatchedLeg = {
  /** bytes that ever came from the other side */
  bytesRead(): number;
  ping(): void;
  /** nothing came for too long: the socket is to be cut. Called once */
  dead(): void;
};

export type LegTimes = { pingMs: number; deadMs: number };
export const LEG_TIMES: LegTimes = { pingMs: LIVE_LIMITS.pingMs, deadMs: LIVE_LIMITS.deadMs };

/** Pings, and finds out that nothing answers. @returns a function that ends it */
export function watchLeg(leg: WatchedLeg, { pingMs, deadMs }: LegTimes = LEG_TIMES): () => void {
  let bytes = leg.bytesRead();
  let heardAt = performance.now();
  let pingedAt = heardAt;
  const timer = setInterval(
    () => {
      const now = performance.now();
      const read = leg.bytesRead();
      if (read !== bytes) {
        bytes = read;
        heardAt = now;
      }
      if (now - heardAt >= deadMs) {
        clearInterval(timer);
        leg.dead();
      } else if (now - pingedAt >= pingMs) {
        pingedAt = now;
        leg.ping();
      }
    },
    // each of the two is a multiple of it by default: pings and deaths come when they are due
    Math.max(1, Math.min(pingMs, deadMs) / 4),
  );
  return () => clearInterval(timer);
}
