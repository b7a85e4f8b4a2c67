import { commaList } from "#protocol/comma-list.ts";
import { EDGE } from "#protocol/names.ts";
import type { DialectCore } from "../core.ts";
import type { DialectSetting } from "../dialect.ts";

/** Who may register: nobody, anybody, or anybody who confirms before the first log-in. */
export type Registration = "closed" | "open" | "confirm";
const REGISTRATIONS: readonly string[] = ["closed", "open", "confirm"] satisfies Registration[];

export const MOST_REGISTERED = 100;
const DAY_MINUTES = 24 * 60;

/** Checked when the ground starts: what is read of them later keeps its rule. */
export const SETTINGS: readonly DialectSetting[] = [
  {
    name: "KABUTO_REGISTRATION",
    wrong: (value) => (REGISTRATIONS.includes(value) ? undefined : `is none of ${REGISTRATIONS.join(", ")}`),
    onThisMachine: {
      value: "open",
      note: "whoever reaches the ground may register; PERIGEE_KABUTO_REGISTRATION=closed ends that",
    },
  },
  {
    name: "KABUTO_USERS",
    wrong: (value) => (/^\d{1,6}$/.test(value) ? undefined : "is no whole number up to 999999"),
  },
  {
    name: "KABUTO_EDGES",
    wrong(value) {
      const bad = commaList(value).find((edge) => !EDGE.test(edge));
      return bad === undefined ? undefined : `names ${JSON.stringify(bad)}, which cannot be an edge`;
    },
  },
  {
    name: "KABUTO_MAX_DURATION",
    wrong: (value) => (/^[1-9]\d{0,7}$/.test(value) ? undefined : "is no whole number of minutes from 1"),
  },
  {
    name: "KABUTO_REPOSITORIES",
    wrong(value) {
      const bad = commaList(value).find((prefix) => !isPrefix(prefix));
      return bad === undefined
        ? undefined
        : `names ${JSON.stringify(bad)}: a prefix is an http or https URL without user, password, query and fragment`;
    },
  },
];

export function registrationOf(core: Pick<DialectCore, "setting">): Registration {
  return (core.setting("KABUTO_REGISTRATION") as Registration | undefined) ?? "closed";
}

/** Accounts that may register themselves. */
export function mostRegistered(core: Pick<DialectCore, "setting">): number {
  return Number(core.setting("KABUTO_USERS") ?? MOST_REGISTERED);
}

/** Edges that a registered account is granted; none named: the only one there is. */
export function registrationEdges(core: Pick<DialectCore, "setting">): string[] {
  return commaList(core.setting("KABUTO_EDGES"));
}

/** Minutes that a job runs at most, also when it names none. */
export function longestMinutes(core: Pick<DialectCore, "setting">): number {
  return Number(core.setting("KABUTO_MAX_DURATION") ?? DAY_MINUTES);
}

/** URL prefixes of the repositories that may be cloned; none: nothing is. */
export function repositoryPrefixes(core: Pick<DialectCore, "setting">): string[] {
  return commaList(core.setting("KABUTO_REPOSITORIES"));
}

function isPrefix(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, search, hash } = new URL(text);
  return /^https?:$/.test(protocol) && `${username}${password}${search}${hash}` === "";
}
