import type { DialectCore } from "../core.ts";
import type { Holding, HoldingsOf } from "../holding.ts";

/** Runners that are handed out. */
export async function holdings(core: DialectCore, of: HoldingsOf): Promise<Holding[]> {
  const all = (await core.runners?.list(of.user)) ?? [];
  return all
    .filter(({ edge, state, since }) => edge === of.edge && state !== "gone" && since >= of.createdAt)
    .map(({ id, environment, state, since }) => ({
      kind: "runner",
      name: id,
      created: since,
      state,
      phase: "runs",
      image: `environment ${environment}`,
    }));
}
