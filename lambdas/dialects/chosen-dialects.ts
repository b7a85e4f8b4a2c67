import { commaList } from "#protocol/comma-list.ts";
import type { Dialect } from "./dialect.ts";

/**
 * The dialects that the operator's PERIGEE_DIALECTS names, joined by commas; all of them when it names none.
 * @throws Error that names what is none of them
 */
export function chosenDialects(all: readonly Dialect[], names: string | undefined): readonly Dialect[] {
  const chosen = commaList(names);
  if (chosen.length === 0) return all;
  const known = all.map(({ name }) => name);
  const unknown = chosen.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new Error(
      `PERIGEE_DIALECTS: there is no dialect ${JSON.stringify(unknown)}, only ${known.join(", ")}`,
    );
  }
  return all.filter(({ name }) => chosen.includes(name));
}
