import type { Write } from "../../../ports/ledger-store.ts";
import type { DialectCore } from "../../core.ts";
import { readOwn } from "./entries.ts";
import { ENTRY, hubKeys, hubPrefix } from "./hub-records.ts";

const AT_ONCE = 10;

/** Removes what an account has in the hub, with the account. A push that ends after it finds that it is gone. */
export async function removeHub({ records, staging }: DialectCore, uid: string): Promise<void> {
  // A push that ends meanwhile has made an entry of what was its record: looked at again, that is found too.
  for (let own = await readOwn(records, uid); own.length > 0; own = await readOwn(records, uid)) {
    const deletes = own.map(({ sk }): Write[] => [
      { delete: { pk: hubKeys.own(uid), sk } },
      ...(sk.startsWith(ENTRY) ? [{ delete: hubKeys.listed({ uid, name: sk.slice(ENTRY.length) }) }] : []),
    ]);
    while (deletes.length > 0) await records.transact(deletes.splice(0, AT_ONCE).flat());
  }
  await staging.deletePrefix(hubPrefix(uid));
}
