import { optimistically } from "../../ports/optimistically.ts";
import type { DialectCore } from "../core.ts";
import type { Removal } from "../dialect.ts";
import { imageRemoval, removeGone } from "./gone-images.ts";
import { keptOf } from "./kept.ts";
import type { Owner } from "./owner.ts";
import {
  type BuildRecord,
  type GoneRecord,
  type ImageRecord,
  keys,
  type LoginRecord,
  type RegistrationRecord,
  type RemovedRecord,
  type RunRecord,
} from "./records.ts";
import { hashIn } from "./sessions.ts";

const PAGE = 20;

/** What goes with an account: its objects, its sessions, its login. With a grant goes nothing: it may be given again. */
export async function removed(core: DialectCore, { user, uid, edge }: Removal): Promise<void> {
  if (edge !== undefined) return;
  await removeRecords(core, { user, uid });
  const data: RemovedRecord = { user, uid, at: core.now() };
  await core.records.transact([{ put: { ...keys.removed(uid, data.at), data } }]);
}

/** All records and objects of an account that is gone; what it has queued or running ends. */
export async function removeRecords(core: DialectCore, { user, uid }: Owner): Promise<void> {
  const { records } = core;
  const registration = await records.get<RegistrationRecord>(keys.account(uid));
  if (registration) await removeLogin(core, uid, registration.data);
  for (;;) {
    const items = await records.query({ pk: uid, limit: PAGE });
    if (items.length === 0) break;
    for (const { sk, data } of items) await endOnEdge(core, user, sk, data);
    const sessions = items.flatMap(({ sk }) => hashIn(sk) ?? []);
    await records.transact(items.map(({ pk, sk }) => ({ delete: { pk, sk } })));
    if (sessions.length > 0) {
      await records.transact(sessions.map((hash) => ({ delete: keys.session(hash) })));
    }
  }
  await core.staging.deletePrefix(keptOf({ user, uid }));
}

/** Ends what a record stands for on the edge. What cannot be ended now keeps nothing from being removed. */
async function endOnEdge(core: DialectCore, user: string, sk: string, data: unknown): Promise<void> {
  const { dispatch, log } = core;
  try {
    if (sk.startsWith("run#") || sk.startsWith("build#")) {
      const { end, command, id } = data as Partial<RunRecord & BuildRecord>;
      if (end === undefined) await dispatch.cancel(user, command ?? id ?? "", { kill: true });
    } else if (sk.startsWith("image#") || sk.startsWith("gone#")) {
      const { edge, ref } = data as ImageRecord | GoneRecord;
      await dispatch.run(imageRemoval({ user, edge, ref }));
    }
  } catch (error) {
    log.warn({ err: error }, "something of a removed user stays on the edge");
  }
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
