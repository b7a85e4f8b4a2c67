import type { Command } from "../ledger/command.ts";
import { keptPrefix } from "../ports/staging-key.ts";
import type { Dialect } from "./dialect.ts";

/**
 * Where the dialect of a command's lane keeps the content that the command brought; undefined where it ends by age.
 * @throws Error for a key that is below neither the dialect's own `keptPrefix` nor one of its own prefixes: a fault of
 *   the dialect
 */
export function keptContent(dialects: readonly Dialect[]): (command: Command) => string | undefined {
  const byLane = new Map(dialects.flatMap((dialect) => dialect.lanes.map(({ name }) => [name, dialect])));
  return (command) => {
    const dialect = byLane.get(command.lane);
    const key = dialect?.keepContent?.(command);
    if (key === undefined) return undefined;
    const own = (dialect!.stagingPrefixes ?? []).map(({ prefix }) => `${prefix}/`);
    if (![keptPrefix(command.user, dialect!.name), ...own].some((prefix) => key.startsWith(prefix))) {
      throw new Error(`dialect ${dialect!.name} cannot keep content at ${key}`);
    }
    return key;
  };
}
