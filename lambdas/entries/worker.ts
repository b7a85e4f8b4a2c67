import { ground, timeLeft } from "./lambda-ground.ts";

/**
 * The worker Lambda, which nobody waits for: what dialects have to do beside requests, until it is done. What is left
 * when its time is up, another invocation takes up. Environment: see lambda-ground.ts.
 */
export async function handler(
  _event: unknown,
  context: { getRemainingTimeInMillis(): number },
): Promise<void> {
  timeLeft.begin(context.getRemainingTimeInMillis());
  for (const { dialect, core } of ground.dialects) await dialect.work?.(core);
}
