import type { Account } from "../../auth/accounts.ts";
import { optimistically } from "../../ports/optimistically.ts";
import type { DialectCore } from "../core.ts";
import { keys, type RegistrationRecord } from "./records.ts";
import { registrationOf } from "./settings.ts";

/**
 * May this account log in, here or through another API? One that registered and has not confirmed may not while the
 * operator asks for that. Its first log-in is noted: an account that never had one is removed after a while.
 */
export function admits(core: DialectCore, { uid }: Account): Promise<boolean> {
  return optimistically(async () => {
    const item = await core.records.get<RegistrationRecord>(keys.account(uid));
    if (!item) return true;
    const { confirmed, at, usedAt } = item.data;
    if (!confirmed && registrationOf(core) === "confirm") return false;
    if (at !== undefined && usedAt === undefined) {
      const data: RegistrationRecord = { ...item.data, usedAt: core.now() };
      await core.records.transact([{ put: { ...keys.account(uid), data }, if: item.rev }]);
    }
    return true;
  });
}
