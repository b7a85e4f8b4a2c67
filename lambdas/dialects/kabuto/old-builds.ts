import type { DialectCore } from "../core.ts";
import type { Owner } from "./owner.ts";
import { type BuildRecord, keys } from "./records.ts";

/** Builds of a user that are known after their end: the oldest that have ended go first. */
export const MOST_BUILDS = 200;
/** Looked at in one go: those under way are bounded by the queue and the lane. */
const MOST_SEEN = MOST_BUILDS + 200;
const AT_ONCE = 20;

/** Forgets the oldest builds that have ended, so that failing ones do not pile up for 90 days. */
export async function removeOldBuilds(
  { records }: Pick<DialectCore, "records">,
  { uid }: Owner,
): Promise<void> {
  const all = await records.query<BuildRecord>({ pk: uid, prefix: "build#", limit: MOST_SEEN });
  const ended = all.filter(({ data }) => data.end !== undefined);
  const over = ended.slice(0, Math.max(0, all.length - MOST_BUILDS)).slice(0, AT_ONCE);
  if (over.length === 0) return;
  await records.transact(over.map(({ data }) => ({ delete: keys.build(uid, data.id) })));
}
