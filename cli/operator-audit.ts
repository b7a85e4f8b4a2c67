import { hostname, userInfo } from "node:os";
import { type GroundOptions, type OperatorParts, withLedger } from "./operator-data.ts";

/**
 * As {@link withLedger}, for a verb that changes something: noted for the other operators before it is done.
 * @param deed what it is, such as `edge hold`, and about which edge, user or lane; never a secret
 */
export function withNoted<T>(
  options: GroundOptions,
  create: boolean,
  deed: { verb: string; about: string[] },
  work: (parts: OperatorParts) => Promise<T>,
): Promise<T> {
  return withLedger(options, create, async (parts) => {
    await parts.audit.note({ who: whoActs(), by: "cli", ...deed });
    return work(parts);
  });
}

/** The account of this machine that gave the command. */
function whoActs(): string {
  try {
    return `${userInfo().username}@${hostname()}`;
  } catch {
    // an account without a name, as containers have
    return `${process.getuid?.() ?? "?"}@${hostname()}`;
  }
}
