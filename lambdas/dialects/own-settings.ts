import { isLoopback } from "../http/is-loopback.ts";
import type { Dialect, DialectSetting } from "./dialect.ts";

/** A dialect's setting with its names. */
export type OwnSetting = DialectSetting & {
  /** `PERIGEE_KABUTO_USERS` */
  variable: string;
  /** `kabutoUsers`, in CDK's context */
  contextKey: string;
};

/** The settings of these dialects. */
export function ownSettings(dialects: readonly Dialect[]): OwnSetting[] {
  return dialects.flatMap(({ settings = [] }) =>
    settings.map((setting) => ({
      ...setting,
      variable: `PERIGEE_${setting.name}`,
      contextKey: setting.name.toLowerCase().replace(/_(.)/g, (_, first: string) => first.toUpperCase()),
    })),
  );
}

/**
 * What is given of the dialects' settings, checked.
 * @returns the variables that are set
 * @throws Error that names the variable, its value and what is wrong with it
 */
export function checkedSettings(
  dialects: readonly Dialect[],
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const given: Record<string, string> = {};
  for (const { variable, wrong } of ownSettings(dialects)) {
    const value = environment[variable];
    if (!value) continue;
    const problem = wrong(value);
    if (problem !== undefined) throw new Error(`${variable}: ${JSON.stringify(value)} ${problem}`);
    given[variable] = value;
  }
  return given;
}

/**
 * A setting that is for loopback addresses only keeps a server from listening anywhere else.
 * @throws Error that names it
 */
export function checkLoopbackOnly(
  dialects: readonly Dialect[],
  environment: Readonly<Record<string, string | undefined>>,
  host: string,
): void {
  if (isLoopback(host)) return;
  for (const { variable, onLoopbackOnly } of ownSettings(dialects)) {
    if (onLoopbackOnly && environment[variable]) {
      throw new Error(`${variable}: is for loopback addresses only, and the server would listen on ${host}`);
    }
  }
}

/** What a ground that nobody else reaches is started with, and what its operator is told of that. */
export function settingsOnThisMachine(
  dialects: readonly Dialect[],
  environment: Readonly<Record<string, string | undefined>>,
): { set: Record<string, string>; notes: string[] } {
  const open = ownSettings(dialects).flatMap(({ variable, onThisMachine }) =>
    onThisMachine && !environment[variable] ? [{ variable, ...onThisMachine }] : [],
  );
  return {
    set: Object.fromEntries(open.map(({ variable, value }) => [variable, value])),
    notes: open.map(({ note }) => note),
  };
}
