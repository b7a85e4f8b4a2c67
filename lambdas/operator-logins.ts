import type { Accounts } from "./auth/accounts.ts";
import type { Dialect, DialectLogin } from "./dialects/dialect.ts";
import { DIALECTS } from "./dialects/index.ts";
import { OwnRecords } from "./dialects/own-records.ts";
import type { LedgerStore } from "./ports/ledger-store.ts";

/** How somebody registered: by which dialect, under which login. */
export type RegisteredLogin = DialectLogin & { dialect: string };

/** The names by which users log in, for an operator's process: of every dialect, those that are off as well. */
export class OperatorLogins {
  readonly #accounts: Accounts;
  readonly #dialects: readonly { dialect: Dialect; records: OwnRecords }[];

  constructor(store: LedgerStore, accounts: Accounts, dialects: readonly Dialect[] = DIALECTS) {
    this.#accounts = accounts;
    this.#dialects = dialects.map((dialect) => ({ dialect, records: new OwnRecords(store, dialect.name) }));
  }

  /** How an account registered itself; empty for one that the operator made. */
  async ofAccount(uid: string): Promise<RegisteredLogin[]> {
    const found = await Promise.all(
      this.#dialects.map(async ({ dialect: { name, logins }, records }) => {
        const login = await logins?.ofAccount(records, uid);
        return login ? [{ dialect: name, ...login }] : [];
      }),
    );
    return found.flat();
  }

  /** The name of the account that is meant by its name or by a login; what is neither stays as it is. */
  async account(name: string): Promise<string> {
    if (await this.#accounts.getUser(name)) return name;
    for (const { dialect, records } of this.#dialects) {
      const of = await dialect.logins?.account(records, name);
      // a login of an account that is gone stays until the janitor's round
      if (of && (await this.#accounts.getUser(of.user))?.uid === of.uid) return of.user;
    }
    return name;
  }
}
