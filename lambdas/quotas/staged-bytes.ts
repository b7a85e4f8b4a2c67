import type { Staging } from "../ports/staging.ts";
import { joinKey, keptPrefix } from "../ports/staging-key.ts";

const PAGE = 1000;

/** Bytes in staging under `<root>/<user>/`, by the command that they are of: `<root>/<user>/<pod>/<command>/…`. */
export async function stagedByCommand(
  staging: Staging,
  root: "uplink" | "downlink",
  user: string,
): Promise<Map<string, number>> {
  const bytes = new Map<string, number>();
  const prefix = `${root}/${user}/`;
  for (let after: string | undefined; ; ) {
    const page = await staging.list(prefix, { limit: PAGE, ...(after && { after }) });
    for (const { key, size } of page) {
      const command = key.slice(prefix.length).split("/")[1] ?? "";
      bytes.set(command, (bytes.get(command) ?? 0) + size);
    }
    if (page.length < PAGE) return bytes;
    after = page.at(-1)!.key;
  }
}

/**
 * Bytes of a user's objects that live as long as their owner's record.
 * @param prefixes first parts of the dialects' own keys, `<prefix>/<user>/…`
 */
export async function keptBytes(
  staging: Staging,
  user: string,
  prefixes: readonly string[],
): Promise<number> {
  const roots = [keptPrefix(user), ...prefixes.map((prefix) => `${joinKey(prefix, user)}/`)];
  const bytes = await Promise.all(roots.map((root) => staging.usage(root)));
  return bytes.reduce((sum, one) => sum + one, 0);
}
