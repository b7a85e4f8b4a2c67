import type { Account } from "../../../auth/accounts.ts";
import type { OwnRecords } from "../../own-records.ts";
import { userId } from "../project.ts";

const keyOf = (id: string) => ({ pk: `user#${id}`, sk: "user" });

/** The ids of users that clients were told, for those who log in by one. */
export class UserIds {
  readonly #records: OwnRecords;

  constructor(records: OwnRecords) {
    this.#records = records;
  }

  /** The id of an account, which is told now. */
  async told({ name, uid }: Pick<Account, "name" | "uid">): Promise<string> {
    const id = userId(uid);
    if (!(await this.#records.get(keyOf(id)))) {
      await this.#records.transact([{ put: { ...keyOf(id), data: { name } } }]);
    }
    return id;
  }

  /** The name of the user whose id was told; undefined for an id that nobody has. */
  async nameOf(id: string): Promise<string | undefined> {
    if (!/^[0-9a-f]{32}$/.test(id)) return undefined;
    return (await this.#records.get<{ name: string }>(keyOf(id)))?.data.name;
  }

  async forget(uid: string): Promise<void> {
    await this.#records.transact([{ delete: keyOf(userId(uid)) }]);
  }
}
