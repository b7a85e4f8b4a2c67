import type { DialectCore } from "../core.ts";

/** Who may register: nobody, anybody, or anybody who confirms before the first log-in. */
export type Registration = "closed" | "open" | "confirm";

export const MOST_REGISTERED = 100;

/** @throws Error that names the setting and what is wrong with it */
export function registrationOf(core: Pick<DialectCore, "setting">): Registration {
  const value = core.setting("KABUTO_REGISTRATION") ?? "closed";
  if (value === "closed" || value === "open" || value === "confirm") return value;
  throw new Error(`PERIGEE_KABUTO_REGISTRATION: ${JSON.stringify(value)} is none of closed, open, confirm`);
}

/** Accounts that may register themselves. */
export function mostRegistered(core: Pick<DialectCore, "setting">): number {
  const value = core.setting("KABUTO_USERS") ?? String(MOST_REGISTERED);
  if (/^\d{1,6}$/.test(value)) return Number(value);
  throw new Error(`PERIGEE_KABUTO_USERS: ${JSON.stringify(value)} is no whole number`);
}

/** Edges that a registered account is granted; none named: the only one there is. */
export function registrationEdges(core: Pick<DialectCore, "setting">): string[] {
  return (core.setting("KABUTO_EDGES") ?? "").split(",").flatMap((edge) => edge.trim() || []);
}

const DAY_MINUTES = 24 * 60;

/** Minutes that a job runs at most, also when it names none. */
export function longestMinutes(core: Pick<DialectCore, "setting">): number {
  const value = core.setting("KABUTO_MAX_DURATION") ?? String(DAY_MINUTES);
  if (/^[1-9]\d{0,7}$/.test(value)) return Number(value);
  throw new Error(`PERIGEE_KABUTO_MAX_DURATION: ${JSON.stringify(value)} is no number of minutes`);
}

/** URL prefixes, joined by commas, from which repositories are cloned; none: nothing is. */
export function repositoryPrefixes(core: Pick<DialectCore, "setting">): string {
  return core.setting("KABUTO_REPOSITORIES") ?? "";
}
