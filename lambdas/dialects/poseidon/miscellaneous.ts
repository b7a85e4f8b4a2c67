import { PerigeeError } from "#protocol/errors.ts";
import type { DialectContext } from "../dialect.ts";
import { emptyAnswer, jsonAnswer } from "./answers.ts";
import { callerOf, checkLocal } from "./caller.ts";
import type { PoseidonCore } from "./parts.ts";
import { refusal, TEXTS } from "./refusals.ts";
import { callerIn } from "./runner-of.ts";
import { openUser, poolThreshold } from "./settings.ts";

/** GET /health: no token is needed, so ids are named only to whom they belong, or where they are one user's anyway. */
export async function getHealth(c: DialectContext, core: PoseidonCore): Promise<Response> {
  checkOpenMode(c, core);
  const threshold = poolThreshold(core);
  const depleting = threshold > 0 ? await depletingIn(core, threshold) : [];
  if (depleting.length === 0) return emptyAnswer(204);
  const caller = await callerOf(core, (name) => c.req.header(name)).catch((error: unknown) => {
    if (error instanceof PerigeeError) return undefined;
    throw error;
  });
  const theirs = caller
    ? depleting.filter(({ owner }) => owner.user === caller.user && owner.edge === caller.edge)
    : (await core.runners.users()).length === 1
      ? depleting
      : [];
  const ids = [...new Set(theirs.map(({ id }) => id))].sort((a, b) => a - b);
  const named = ids.length > 0 ? `: environments ${ids.join(", ")}` : "";
  throw refusal(503, `${TEXTS.depleting}${named}`, "PREWARMING_POOL_DEPLETING");
}

/** GET /version */
export async function getVersion(c: DialectContext, core: PoseidonCore): Promise<Response> {
  checkOpenMode(c, core);
  const release = core.setting("RELEASE");
  return release === undefined ? emptyAnswer(404) : jsonAnswer(release);
}

/** GET /statistics/execution-environments */
export async function getStatistics(c: DialectContext, core: PoseidonCore): Promise<Response> {
  const all = await core.runners.statistics(callerIn(c));
  const shown = all.map(({ id, prewarmingPoolSize, idleRunners, usedRunners }) => {
    return [String(id), { id, prewarmingPoolSize, idleRunners, usedRunners }] as const;
  });
  return jsonAnswer(Object.fromEntries(shown));
}

type Depleting = ReturnType<PoseidonCore["runners"]["depleting"]>;
const looking = new WeakMap<PoseidonCore, Map<number, Depleting>>();

/** Anybody may ask, and all pools of all edges are read for it: once at a time, for all who ask meanwhile. */
function depletingIn(core: PoseidonCore, threshold: number): Depleting {
  const now = looking.get(core) ?? new Map<number, Depleting>();
  looking.set(core, now);
  const found = now.get(threshold);
  if (found) return found;
  const look = core.runners.depleting(threshold).finally(() => now.delete(threshold));
  now.set(threshold, look);
  return look;
}

function checkOpenMode(c: DialectContext, core: PoseidonCore): void {
  if (openUser(core) !== undefined) checkLocal((name) => c.req.header(name));
}
