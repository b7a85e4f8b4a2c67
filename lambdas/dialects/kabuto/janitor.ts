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

type Part = readonly [name: string, clean: (core: DialectCore) => Promise<void>];
const PARTS: readonly Part[] = [
  ["users", cleanUsers],
  ["removals", finishRemovals],
  ["kept", cleanKept],
];

/**
 * Goes round the accounts: completes submissions that a crash interrupted, and removes what no record names; and what
 * is left of accounts that are gone. What fails for one of them keeps nobody else from theirs, and where time is short
 * each part comes first in its turn.
 */
export async function cleanUp(core: DialectCore): Promise<void> {
  for (const [, clean] of await partsInTurn(core)) await tried(core, () => clean(core));
}

/** From behind the part that the last round began with. It is noted first: a round may be killed. */
async function partsInTurn(core: DialectCore): Promise<readonly Part[]> {
  if (!core.timeLeftMs) return PARTS;
  const last = await readCursor(core, "part");
  const first = (PARTS.findIndex(([name]) => name === last) + 1) % PARTS.length;
  await moveCursor(core, "part", PARTS[first]![0]);
  return [...PARTS.slice(first), ...PARTS.slice(0, first)];
}

async function cleanUsers(core: DialectCore): Promise<void> {
  let after = (await readCursor(core, "users")) ?? "";
  const users = await core.users.page({ after, limit: AT_ONCE });
  for (const account of users) {
    if (isLate(core)) break;
    after = account.name;
    await tried(core, async () => {
      const [any] = await core.records.query({ pk: account.uid, limit: 1 });
      if (!any) return;
      // before it is begun: the next round starts behind an account that takes all the time of this one
      await moveCursor(core, "users", after);
      if (await removeUnused(core, account.name, account.uid)) return;
      await cleanUser(core, { user: account.name, uid: account.uid });
    });
  }
  // from the first one again after the last
  const isLast = users.length < AT_ONCE && after === (users.at(-1)?.name ?? after);
  await moveCursor(core, "users", isLast ? undefined : after);
}

async function readCursor({ records }: DialectCore, of: string): Promise<string | undefined> {
  return (await records.get<CursorRecord>(keys.cursor(of)))?.data.after;
}

/** The next round begins behind `after`; undefined: from the beginning. */
function moveCursor({ records }: DialectCore, of: string, after: string | undefined): Promise<void> {
  const data: CursorRecord = after === undefined ? {} : { after };
  return records.transact([{ put: { ...keys.cursor(of), data } }]);
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
  const after = await readCursor(core, "kept");
  const names = await core.staging.listNames(`${KEPT}/`);
  const from = names.findIndex((name) => after !== undefined && name > after);
  const inTurn = from < 0 ? names : [...names.slice(from), ...names.slice(0, from)];
  for (const [at, user] of inTurn.entries()) {
    if (isLate(core)) {
      if (at > 0) await moveCursor(core, "kept", inTurn[at - 1]!);
      return;
    }
    await tried(core, async () => {
      const prefix = keptPrefix(user, "kabuto");
      const uids = await core.staging.listNames(prefix);
      const uid = uids.length > 0 ? (await core.users.stored(user))?.uid : undefined;
      const gone = uids.filter((other) => other !== uid);
      // before it is begun, as with the accounts
      if (gone.length > 0) await moveCursor(core, "kept", user);
      for (const other of gone) await core.staging.deletePrefix(`${prefix}${other}/`);
    });
  }
}

async function tried(core: DialectCore, part: () => Promise<unknown>): Promise<void> {
  await part().catch((error: unknown) => {
    core.log.warn({ err: error }, "a part of the round is left for the next one");
  });
}
