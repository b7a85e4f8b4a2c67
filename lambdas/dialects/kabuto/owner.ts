import type { Account } from "../../auth/accounts.ts";
import type { DialectContext } from "../dialect.ts";

/** Whose objects a request is about. */
export type Owner = { user: string; uid: string };

const owners = new WeakMap<DialectContext, Owner>();

/** Notes who asks, so that no request reads the account twice. @returns the account's name */
export function rememberOwner(c: DialectContext, { name: user, uid }: Account): string {
  owners.set(c, { user, uid });
  return user;
}

/** Who asks, as the authentication found out. */
export function ownerOf(c: DialectContext): Owner {
  const owner = owners.get(c);
  if (!owner) throw new Error("the route has no authentication");
  return owner;
}
