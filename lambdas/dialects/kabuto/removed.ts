import { optimistically } from "../../ports/optimistically.ts";
import type { DialectCore } from "../core.ts";
import type { Removal } from "../dialect.ts";
import { removeGone } from "./gone-images.ts";
import { keptOf } from "./kept.ts";
import { type GoneRecord, keys, type LoginRecord, type RegistrationRecord } from "./records.ts";
import { hashIn } from "./sessions.ts";

const PAGE = 20;

/** What goes with an account: its objects, its sessions, its login. With a grant goes nothing: it may be given again. */
export async function removed(core: DialectCore, { user, uid, edge }: Removal): Promise<void> {
  if (edge !== undefined) return;
  const { records } = core;
  const registration = await records.get<RegistrationRecord>(keys.account(uid));
  if (registration) await removeLogin(core, uid, registration.data);
  for (;;) {
    const items = await records.query({ pk: uid, limit: PAGE });
    if (items.length === 0) break;
    const sessions = items.flatMap(({ sk }) => hashIn(sk) ?? []);
    await records.transact(items.map(({ pk, sk }) => ({ delete: { pk, sk } })));
    if (sessions.length > 0) {
      await records.transact(sessions.map((hash) => ({ delete: keys.session(hash) })));
    }
  }
  await core.staging.deletePrefix(keptOf({ user, uid }));
}

async function removeLogin(
  { records }: DialectCore,
  uid: string,
  { login, email }: RegistrationRecord,
): Promise<void> {
  await optimistically(async () => {
    const [logins, emails, counted] = await Promise.all([
      records.get<LoginRecord>(keys.login(login)),
      records.get<LoginRecord>(keys.email(email)),
      records.get<{ count: number }>(keys.registrations("accounts")),
    ]);
    const count = Math.max(0, (counted?.data.count ?? 1) - 1);
    await records.transact([
      { delete: keys.account(uid) },
      { put: { ...keys.registrations("accounts"), data: { count } }, if: counted?.rev ?? 0 },
      ...[logins, emails].flatMap((item) =>
        // somebody else's by now, of who registered after the account was gone
        item?.data.uid === uid ? [{ delete: { pk: item.pk, sk: item.sk }, if: item.rev }] : [],
      ),
    ]);
  });
}

/** Images whose removal from the edge could not be queued, or failed. */
export async function removeLeftImages(core: DialectCore, uid: string): Promise<void> {
  const items = await core.records.query<GoneRecord>({ pk: uid, prefix: "gone#", limit: PAGE });
  for (const { data } of items) await removeGone(core, uid, data.ref);
}
