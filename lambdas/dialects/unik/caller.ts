import { PerigeeError } from "#protocol/errors.ts";
import type { Account } from "../../auth/accounts.ts";
import type { DialectCore } from "../core.ts";
import type { DialectContext } from "../dialect.ts";
import { readBasic } from "./basic.ts";
import { CheckedPasswords } from "./checked-passwords.ts";
import { isForeignPage } from "./foreign-page.ts";
import { type Owner, ownerOf } from "./owner.ts";

const callers = new WeakMap<DialectContext, Account>();
const passwords = new WeakMap<DialectCore, CheckedPasswords>();
/** An access token has three parts. */
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** Who asks: by a user and password, or an access token in place of the password. @throws UNAUTHORIZED, FOREIGN_ORIGIN */
export async function authenticate(c: DialectContext, core: DialectCore): Promise<string> {
  if (isForeignPage((name) => c.req.header(name), core.hosts.candidates(c))) {
    throw new PerigeeError("FOREIGN_ORIGIN", "the request comes from a page of another host");
  }
  const account = await accountOf(c, core);
  callers.set(c, account);
  return account.name;
}

async function accountOf(c: DialectContext, core: DialectCore): Promise<Account> {
  const basic = readBasic(c.req.header("authorization"));
  if (!basic) return core.users.ofBearer(c);
  return logIn(c, core, basic);
}

/** The account of a user and password, or of any user and an access token. @throws as {@link authenticate} */
export async function logIn(
  c: DialectContext,
  core: DialectCore,
  { name, password }: { name: string; password: string },
): Promise<Account> {
  if (TOKEN.test(password)) {
    const account = await core.users.ofToken(password).catch(unlessUnauthorized);
    if (account) return account;
  }
  const known = passwords.get(core) ?? new CheckedPasswords(core.now);
  passwords.set(core, known);
  return known.account(name, password, () => core.users.ofPassword(c, name, password));
}

/** It may be a password that looks like a token. */
function unlessUnauthorized(error: unknown): undefined {
  if (!(error instanceof PerigeeError) || error.code !== "UNAUTHORIZED") throw error;
}

/** Who asks for what is about no edge. */
export function callerOf(c: DialectContext): Owner {
  const account = callers.get(c);
  if (!account) throw new Error("nobody was authenticated");
  return ownerOf(account, "");
}

/**
 * Whose objects a request is about. An edge in the path comes before one in the header.
 * @throws EDGE_NOT_FOUND in the same words for one that is not granted, INVALID_PARAMETERS where several may be meant
 */
export async function ownerIn(
  c: DialectContext,
  core: DialectCore,
  inPath: string | undefined,
): Promise<Owner> {
  const account = callers.get(c);
  if (!account) throw new Error("nobody was authenticated");
  const named = inPath ?? c.req.header("perigee-edge");
  try {
    return ownerOf(account, await core.resolveEdge(account.name, named));
  } catch (error) {
    if (!(error instanceof PerigeeError) || error.code !== "EDGE_NOT_FOUND" || named === undefined)
      throw error;
    throw new PerigeeError("EDGE_NOT_FOUND", `edge '${named}' not found`);
  }
}
