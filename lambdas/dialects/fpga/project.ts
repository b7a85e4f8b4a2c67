import { createHash } from "node:crypto";

/** One user on one edge. `id` and `domain` as clients name them: 32 hex digits; `edge` is its name and region. */
export type Project = { id: string; domain: string; user: string; uid: string; edge: string };

const id = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 32);

export const domainId = (uid: string): string => id(`perigee-domain:${uid}`);

/** A user as clients of `/v3` name it. */
export const userId = (uid: string): string => id(`perigee-user:${uid}`);

/** The project of an account on an edge: told by both, so that nothing is stored. */
export function projectOf(account: { name: string; uid: string }, edge: string): Project {
  const { name, uid } = account;
  return { id: id(`perigee-project:${uid}:${edge}`), domain: domainId(uid), user: name, uid, edge };
}
