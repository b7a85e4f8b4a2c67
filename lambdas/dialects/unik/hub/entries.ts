import { pagesOf } from "../../../ports/pages-of.ts";
import type { DialectCore } from "../../core.ts";
import type { OwnRecords } from "../../own-records.ts";
import type { HubUser } from "../records.ts";
import { ENTRY, type HubEntry, hubKeys } from "./hub-records.ts";

const PAGE = 500;

/** The entries of accounts that are there, of one name where it is given. */
export async function readEntries(
  { records, users }: Pick<DialectCore, "records" | "users">,
  name?: string,
): Promise<HubEntry[]> {
  const found: HubEntry[] = [];
  const prefix = name === undefined ? {} : { prefix: `${name}/` };
  for await (const page of pagesOf<HubEntry>(records, { pk: hubKeys.all, limit: PAGE, ...prefix })) {
    found.push(...page.map(({ data }) => data));
  }
  // those of an account that was removed are on their way out; its name may be another's
  const owners = new Map(found.map(({ uid, user }) => [uid, user]));
  const there = await Promise.all(
    [...owners].map(async ([uid, user]) => {
      const account = await users.find(user, (one) => one.uid === uid);
      return account?.uid === uid ? [uid] : [];
    }),
  );
  const known = new Set(there.flat());
  return found.filter(({ uid }) => known.has(uid));
}

/** What an account has in the hub, and its pushes that have not ended: keys and data, `turn` among them. */
export async function readOwn(records: OwnRecords, uid: string) {
  const found: { sk: string; rev: number; data: unknown }[] = [];
  for await (const page of pagesOf(records, { pk: hubKeys.own(uid), limit: PAGE })) found.push(...page);
  return found;
}

/** Bytes that an account keeps in the hub. */
export async function hubBytes(records: OwnRecords, { uid }: Pick<HubUser, "uid">): Promise<number> {
  let bytes = 0;
  const query = { pk: hubKeys.own(uid), prefix: ENTRY, limit: PAGE };
  for await (const page of pagesOf<HubEntry>(records, query)) {
    bytes += page.reduce((sum, { data }) => sum + data.bytes, 0);
  }
  return bytes;
}
