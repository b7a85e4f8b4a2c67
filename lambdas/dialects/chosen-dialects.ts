import { commaList } from "#protocol/comma-list.ts";
import type { Dialect } from "./dialect.ts";

/**
 * The dialects that the operator's PERIGEE_DIALECTS names, joined by commas; all of `all` when it names none.
 * @param named those that are on only when they are named
 * @throws Error that names what is none of them
 */
export function chosenDialects(
  all: readonly Dialect[],
  names: string | undefined,
  named: readonly Dialect[] = [],
): readonly Dialect[] {
  const chosen = commaList(names);
  if (chosen.length === 0) return all;
  const known = all.map(({ name }) => name);
  const possible = [...all, ...named];
  const unknown = chosen.find((name) => !possible.some((one) => one.name === name));
  if (unknown !== undefined) {
    throw new Error(
      `PERIGEE_DIALECTS: there is no dialect ${JSON.stringify(unknown)}, only ${known.join(", ")}`,
    );
  }
  return possible.filter(({ name }) => chosen.includes(name));
}
