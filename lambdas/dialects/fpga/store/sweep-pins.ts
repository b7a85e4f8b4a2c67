import { decodeTime, isValid as isUlid } from "ulid";
import { pagesOf } from "../../../ports/pages-of.ts";
import type { DialectCore } from "../../core.ts";
import { PINS } from "../lane.ts";
import { type StoreRecord, workKeys } from "./work-records.ts";

/** A pin of this age (ms) whose transaction was not written never gets one. */
const LEFT_MS = 60 * 60_000;
const PAGE = 100;

/**
 * Removes what was pinned for registrations that were never written, and what came for objects that were never placed.
 * @param others prefixes that are used beside those of registrations
 */
export async function sweepPins(
  { staging, records, now }: DialectCore,
  others: ReadonlySet<string>,
): Promise<void> {
  const old: string[] = [];
  for (const user of await staging.listNames(`${PINS}/`)) {
    for (const pin of await staging.listNames(`${PINS}/${user}/`)) {
      if (isUlid(pin) && now() - decodeTime(pin) > LEFT_MS) old.push(`${PINS}/${user}/${pin}/`);
    }
  }
  if (old.length === 0) return;
  const used = new Set(others);
  for await (const page of pagesOf<StoreRecord>(records, { pk: workKeys.stores, limit: PAGE })) {
    for (const { data } of page) used.add(data.prefix);
  }
  for (const prefix of old) if (!used.has(prefix)) await staging.deletePrefix(prefix);
}
