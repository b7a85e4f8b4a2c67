import { KEPT, keptPrefix } from "../../ports/staging-key.ts";
import type { DialectCore } from "../core.ts";
import { cleanUser } from "./clean-user.ts";
import { isLate } from "./is-late.ts";
import { type CursorRecord, keys, type RegistrationRecord, type RemovedRecord } from "./records.ts";
import { removeRecords } from "./removed.ts";

/** Accounts, removals and prefixes looked at in one round: the next one goes on. */
const AT_ONCE = 100;
/** Requests of a removed user that were under way have ended by then. */
const LATE_MS = 24 * 3600_000;
/** A registered account that nobody ever logged in with goes after this long. */
const UNUSED_MS = 7 * 24 * 3600_000;

/**
 * Goes round the accounts: completes submissions that a crash interrupted, and removes what no record names. Then what
 * is left of accounts that are gone. What fails for one of them keeps nobody else from theirs.
 */
export async function cleanUp(core: DialectCore): Promise<void> {
  await tried(core, () => cleanUsers(core));
  await tried(core, () => finishRemovals(core));
  await tried(core, () => cleanKept(core));
}

async function cleanUsers(core: DialectCore): Promise<void> {
  const cursor = await core.records.get<CursorRecord>(keys.cursor("users"));
  let { after = "" } = cursor?.data ?? {};
  const users = await core.users.page({ after, limit: AT_ONCE });
  for (const account of users) {
    if (isLate(core)) break;
    after = account.name;
    await tried(core, async () => {
      const [any] = await core.records.query({ pk: account.uid, limit: 1 });
      if (!any) return;
      // before it is begun: the next round starts behind an account that takes all the time of this one
      await moveCursor(core, { after });
      if (await removeUnused(core, account.name, account.uid)) return;
      await cleanUser(core, { user: account.name, uid: account.uid });
    });
  }
  // from the first one again after the last
  const isLast = users.length < AT_ONCE && after === (users.at(-1)?.name ?? after);
  await moveCursor(core, isLast ? {} : { after });
}

function moveCursor(core: DialectCore, data: CursorRecord): Promise<void> {
  return core.records.transact([{ put: { ...keys.cursor("users"), data } }]);
}

/** @returns whether it was an account that nobody uses */
async function removeUnused(core: DialectCore, name: string, uid: string): Promise<boolean> {
  const item = await core.records.get<RegistrationRecord>(keys.account(uid));
  // accounts of the operator, and of versions that did not note it
  if (item?.data.at === undefined || item.data.usedAt !== undefined) return false;
  if (core.now() - item.data.at < UNUSED_MS) return false;
  if ((await core.commands.commands(name, { limit: 1 })).length > 0) return false;
  await core.users.remove(name);
  return true;
}

/** What a request that was under way has written for an account that was just removed. */
async function finishRemovals(core: DialectCore): Promise<void> {
  const late = await core.records.query<RemovedRecord>({ pk: "removed", limit: AT_ONCE });
  for (const { pk, sk, data } of late) {
    if (core.now() - data.at < LATE_MS || isLate(core)) return;
    await tried(core, async () => {
      await removeRecords(core, data);
      await core.records.transact([{ delete: { pk, sk } }]);
    });
  }
}

/** Objects below names whose account is another one by now, or none. */
async function cleanKept(core: DialectCore): Promise<void> {
  for (const user of await core.staging.listNames(`${KEPT}/`)) {
    if (isLate(core)) return;
    await tried(core, async () => {
      const prefix = keptPrefix(user, "kabuto");
      const uids = await core.staging.listNames(prefix);
      const uid = uids.length > 0 ? (await core.users.stored(user))?.uid : undefined;
      for (const other of uids) if (other !== uid) await core.staging.deletePrefix(`${prefix}${other}/`);
    });
  }
}

async function tried(core: DialectCore, part: () => Promise<unknown>): Promise<void> {
  await part().catch((error: unknown) => {
    core.log.warn({ err: error }, "a part of the round is left for the next one");
  });
}
