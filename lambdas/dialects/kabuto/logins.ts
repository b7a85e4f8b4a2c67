import type { DialectLogins } from "../dialect.ts";
import { keys, type LoginRecord, type RegistrationRecord } from "./records.ts";

/** Logins as the operator sees them. */
export const logins: DialectLogins = {
  async ofAccount(records, uid) {
    const item = await records.get<RegistrationRecord>(keys.account(uid));
    return item && { login: item.data.login, confirmed: item.data.confirmed };
  },
  async account(records, login) {
    return (await records.get<LoginRecord>(keys.login(login.normalize("NFC"))))?.data;
  },
};
