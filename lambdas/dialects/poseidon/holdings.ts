import type { DialectCore } from "../core.ts";
import type { Holdings, HoldingsOf } from "../holding.ts";

/** Runners that are handed out. */
export async function holdings(core: DialectCore, of: HoldingsOf): Promise<Holdings> {
  const all = (await core.runners?.list(of.user)) ?? [];
  const items = all
    .filter(({ edge, state, since }) => edge === of.edge && state !== "gone" && since >= of.createdAt)
    .map(({ id, environment, state, since }) => ({
      kind: "runner" as const,
      name: id,
      created: since,
      state,
      phase: "runs" as const,
      image: `environment ${environment}`,
    }));
  return { items };
}
