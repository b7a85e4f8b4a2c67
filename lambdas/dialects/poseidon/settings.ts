import { LIMITS } from "#protocol/limits.ts";
import { USER, USER_RULE } from "#protocol/names.ts";
import type { DialectCore } from "../core.ts";
import type { DialectSetting } from "../dialect.ts";

type Settings = Pick<DialectCore, "setting">;

/** Checked when the ground starts: what is read of them later keeps its rule. */
export const SETTINGS: readonly DialectSetting[] = [
  {
    name: "POSEIDON_OPEN_USER",
    wrong: (value) => (USER.test(value) ? undefined : `cannot be a user: ${USER_RULE}`),
    onLoopbackOnly: true,
  },
  {
    name: "POSEIDON_POOL_THRESHOLD",
    wrong: (value) =>
      /^\d+(?:\.\d+)?$/.test(value) && Number(value) <= 1 ? undefined : "is no number from 0 to 1",
  },
  {
    name: "POSEIDON_ENVIRONMENTS_PER_USER",
    wrong: (value) =>
      /^\d{1,3}$/.test(value) && Number(value) >= 1 && Number(value) <= LIMITS.environments
        ? undefined
        : `is no whole number from 1 to ${LIMITS.environments}`,
  },
];

/** The user that every request acts as; undefined: requests are authenticated by their tokens. */
export function openUser(core: Settings): string | undefined {
  return core.setting("POSEIDON_OPEN_USER");
}

/** Share of idle runners below which an environment's pool is depleting; 0: never. */
export function poolThreshold(core: Settings): number {
  return Number(core.setting("POSEIDON_POOL_THRESHOLD") ?? 0);
}

/** Most environments of one user on one edge (default: all that an edge may have, as clients expect). */
export function environmentsOfUser(core: Settings): number {
  return Number(core.setting("POSEIDON_ENVIRONMENTS_PER_USER") ?? LIMITS.environments);
}
