import type { Key } from "../../ports/ledger-store.ts";

/**
 * Keys of this dialect's records:
 *
 * | pk | sk | data |
 * | --- | --- | --- |
 * | `tokens` | SHA-256 of the token | {@link TokenRecord} |
 * | `names` | the token's name | `{hash}` |
 *
 * Environments and runners are the core's, execution ids the tickets'.
 */
export const keys = {
  tokens: "tokens",
  token: (hash: string): Key => ({ pk: keys.tokens, sk: hash }),
  name: (name: string): Key => ({ pk: "names", sk: name }),
};

export type TokenRecord = {
  name: string;
  user: string;
  /** of the account: a name that was given anew does not get its tokens */
  uid: string;
  edge?: string;
  /** ms since 1970 */
  createdAt: number;
};
