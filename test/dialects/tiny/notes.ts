import type { DialectCore } from "#lambdas/dialects/core.ts";

/** First part of its keys in staging. */
export const notes = "tiny";

export function noteBeat(core: DialectCore, sk: "started" | "closed"): Promise<void> {
  return core.records.transact([{ put: { pk: "background", sk, data: {} } }]);
}
