import { type Client, readJson } from "../client.ts";
import { CliFailure } from "../failure.ts";

/** What a ground says of the uplinks that it takes. */
export type OfferedUplinks = { parts_over?: unknown; deltas?: unknown };

/** One question for each client, whoever needs to know. */
const asked = new WeakMap<Client, OfferedUplinks>();

/**
 * Asks the ground's `/healthz`, once for a client. Empty when the ground refuses it or says nothing of uplinks.
 * @throws CliFailure when the ground cannot be reached
 */
export async function offeredUplinks(client: Client): Promise<OfferedUplinks> {
  const known = asked.get(client);
  if (known) return known;
  const offered = await ask(client);
  asked.set(client, offered);
  return offered;
}

async function ask(client: Client): Promise<OfferedUplinks> {
  const call = { method: "GET", path: "/healthz", idleMs: 30_000 } as const;
  try {
    const { uplinks } = await readJson(await client.whenFree(call, client.patience()));
    return (uplinks ?? {}) as OfferedUplinks;
  } catch (error) {
    if (error instanceof CliFailure && error.fields.status !== undefined) return {};
    throw error;
  }
}
