import { PerigeeError } from "#protocol/errors.ts";
import type { DialectCore } from "../core.ts";
import type { DialectContext } from "../dialect.ts";

/** Whose objects a request is about. */
export type Owner = { user: string; uid: string };

/** @throws UNAUTHORIZED when the user was removed meanwhile */
export async function ownerOf(c: DialectContext, core: DialectCore): Promise<Owner> {
  const user = c.get("user");
  const account = await core.users.find(user);
  if (!account) throw new PerigeeError("UNAUTHORIZED", "The user was removed");
  return { user, uid: account.uid };
}
