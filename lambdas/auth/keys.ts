import { createHash } from "node:crypto";
import type { PriorityBounds } from "#protocol/priority.ts";
import type { Key } from "../ports/ledger-store.ts";

/**
 * Keys of users, edges, tokens and log-in attempts in the ledger's table:
 *
 * | pk | sk | data |
 * | --- | --- | --- |
 * | `users` | user name | {@link UserRecord} |
 * | `grants#<uid>` | edge id | `{}`: the user with that uid may use the edge |
 * | `former` | user name | `{at}`: it was a removed user's, whose volumes and history go by it |
 * | `edges` | edge id | {@link EdgeRecord} |
 * | `agent-token#<sha256>` | `edge` | `{edge}`: whose agent the token is |
 * | `removals` | uid, or `<uid>#<edge>` | {@link RemovalRecord}: a user or grant that is gone, until all was removed with it |
 * | `attempts#<address>` | `failed` | failed log-ins from the address (throttle.ts), expiring |
 *
 * Grants hang on the uid, so a name that is removed and made again starts with none. Edges are never
 * removed, so a grant once checked stays right.
 */
export const keys = {
  users: "users",
  user: (name: string): Key => ({ pk: keys.users, sk: name }),
  grants: (uid: string): string => `grants#${uid}`,
  grant: (uid: string, edge: string): Key => ({ pk: keys.grants(uid), sk: edge }),
  former: (name: string): Key => ({ pk: "former", sk: name }),
  removals: "removals",
  removal: (uid: string, edge?: string): Key => ({
    pk: keys.removals,
    sk: edge === undefined ? uid : `${uid}#${edge}`,
  }),
  edges: "edges",
  edge: (id: string): Key => ({ pk: keys.edges, sk: id }),
  agentToken: (hash: string): Key => ({ pk: `agent-token#${hash}`, sk: "edge" }),
  attempts: (address: string): Key => ({ pk: `attempts#${address}`, sk: "failed" }),
};

/** Times in ms since 1970. */
export type UserRecord = {
  /** of this record; another one when the name is removed and made again */
  uid: string;
  /** PHC string */
  password: string;
  /** raised by every change of the password, which so ends the tokens made before */
  generation: number;
  createdAt: number;
  defaultEdge?: string;
  /** priorities of commands that the user may ask for (default: all) */
  priority?: PriorityBounds;
  /** sees and holds every edge over HTTP; changes plans of contact windows of the edges that are granted */
  operator?: true;
};

/** With `edge` it was a grant, else the user. */
export type RemovalRecord = { user: string; uid: string; edge?: string };

export type EdgeRecord = {
  createdAt: number;
  /** SHA-256 of the agent's token, hex; absent when revoked */
  tokenHash?: string;
  tokenCreatedAt?: number;
};

/** SHA-256, hex. */
export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
