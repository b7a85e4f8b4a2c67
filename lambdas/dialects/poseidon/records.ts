import type { Key } from "../../ports/ledger-store.ts";

/**
 * Keys of this dialect's records:
 *
 * | pk | sk | data |
 * | --- | --- | --- |
 * | `tokens` | SHA-256 of the token | {@link DialectToken} |
 * | `names` | the token's name | `{hash}` |
 *
 * Environments and runners are the core's, execution ids the tickets'.
 */
export const keys = {
  tokens: "tokens",
  token: (hash: string): Key => ({ pk: keys.tokens, sk: hash }),
  name: (name: string): Key => ({ pk: "names", sk: name }),
};
