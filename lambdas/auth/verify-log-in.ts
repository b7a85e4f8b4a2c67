import { PerigeeError } from "#protocol/errors.ts";
import type { Account, Accounts } from "./accounts.ts";
import type { Throttle } from "./throttle.ts";

/** May an account, whose password was right, log in? A dialect that lets users register may have them confirm first. */
export type Admits = (account: Account) => Promise<boolean>;

export type LogInParts = {
  accounts: Accounts;
  throttle: Throttle;
  /** default: anybody may */
  admits?: Admits;
};

/**
 * The user of a name and a password, through whichever API they log in. Each attempt costs a password hash; failed ones
 * are slowed by `address`. Who may not log in yet is refused as one with a wrong password is.
 * @throws INVALID_CREDENTIALS, TOO_MANY_ATTEMPTS
 */
export async function verifyLogIn(
  { accounts, throttle, admits = async () => true }: LogInParts,
  { name, password, address }: { name: string; password: string; address: string },
): Promise<Account> {
  const account = await throttle.attempt(name, address, async () => {
    const found = await accounts.verifyPassword(name, password);
    return found && (await admits(found)) ? found : undefined;
  });
  if (!account) throw new PerigeeError("INVALID_CREDENTIALS", "User name or password is wrong");
  return account;
}
