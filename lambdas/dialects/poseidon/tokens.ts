import { randomBytes } from "node:crypto";
import { PerigeeError } from "#protocol/errors.ts";
import { sha256 } from "../../auth/keys.ts";
import { ConditionFailed, type Item } from "../../ports/ledger-store.ts";
import type { DialectToken, DialectTokens } from "../dialect.ts";
import type { OwnRecords } from "../own-records.ts";
import { keys } from "./records.ts";

const TOKEN = /^pgp_[A-Za-z0-9_-]{43}$/;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const PAGE = 100;
/** Writes of a transaction, two for each token. */
const AT_ONCE = 12;

/** The tokens of clients of this API. Only their SHA-256 is stored, and they are found by it. */
export class PoseidonTokens implements DialectTokens {
  readonly #records: OwnRecords;

  constructor(records: OwnRecords) {
    this.#records = records;
  }

  /**
   * Makes a token, which is shown this once.
   * @throws INVALID_PARAMETERS for the name, ALREADY_EXISTS
   */
  async add(record: DialectToken): Promise<string> {
    const { name } = record;
    if (!NAME.test(name)) {
      throw new PerigeeError(
        "INVALID_PARAMETERS",
        "name: 1 to 64 letters, digits, dots, hyphens or underscores, a letter or digit first",
      );
    }
    const token = `pgp_${randomBytes(32).toString("base64url")}`;
    const hash = sha256(token);
    try {
      await this.#records.transact([
        { put: { ...keys.name(name), data: { hash } }, if: 0 },
        { put: { ...keys.token(hash), data: record }, if: 0 },
      ]);
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error;
      throw new PerigeeError("ALREADY_EXISTS", `There is a token ${name} already`);
    }
    return token;
  }

  /** What a token stands for; undefined when it is none, or no longer. */
  async find(token: string): Promise<DialectToken | undefined> {
    if (!TOKEN.test(token)) return undefined;
    return (await this.#records.get<DialectToken>(keys.token(sha256(token))))?.data;
  }

  /** All of them, by name. */
  async list(): Promise<DialectToken[]> {
    const all = (await this.#all()).map(({ data }) => data);
    return all.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** @returns whether there was one */
  async remove(name: string): Promise<boolean> {
    if (!NAME.test(name)) return false;
    const named = await this.#records.get<{ hash: string }>(keys.name(name));
    if (!named) return false;
    await this.#records.transact([
      { delete: keys.name(name), if: named.rev },
      { delete: keys.token(named.data.hash) },
    ]);
    return true;
  }

  /** Removes those of an account, or of its use of one edge. */
  async removeOf({ uid, edge }: { uid: string; edge?: string }): Promise<void> {
    const theirs = (await this.#all()).filter(
      ({ data }) => data.uid === uid && (edge === undefined || data.edge === edge),
    );
    while (theirs.length > 0) {
      await this.#records.transact(
        theirs
          .splice(0, AT_ONCE)
          .flatMap(({ sk, data }) => [{ delete: keys.token(sk) }, { delete: keys.name(data.name) }]),
      );
    }
  }

  async #all(): Promise<Item<DialectToken>[]> {
    const all: Item<DialectToken>[] = [];
    for (;;) {
      const after = all.at(-1)?.sk;
      const page = await this.#records.query<DialectToken>({
        pk: keys.tokens,
        limit: PAGE,
        ...(after !== undefined && { after }),
      });
      all.push(...page);
      if (page.length < PAGE) return all;
    }
  }
}
