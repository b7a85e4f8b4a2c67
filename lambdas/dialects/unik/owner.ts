import type { Account } from "../../auth/accounts.ts";

/** Whose objects are meant, and on which edge. */
export type Owner = { user: string; uid: string; edge: string };

export function ownerOf({ name, uid }: Pick<Account, "name" | "uid">, edge: string): Owner {
  return { user: name, uid, edge };
}
