import { decodeTime, isValid as isUlid } from "ulid";
import type { DialectCore } from "../../core.ts";
import { PINS } from "../lane.ts";
import { type StoreRecord, workKeys } from "./work-records.ts";

/** A pin of this age (ms) whose transaction was not written never gets one. */
const LEFT_MS = 60 * 60_000;
const PAGE = 100;

/** Removes what was pinned for registrations that were never written. */
export async function sweepPins({ staging, records, now }: DialectCore): Promise<void> {
  const old: string[] = [];
  for (const user of await staging.listNames(`${PINS}/`)) {
    for (const pin of await staging.listNames(`${PINS}/${user}/`)) {
      if (isUlid(pin) && now() - decodeTime(pin) > LEFT_MS) old.push(`${PINS}/${user}/${pin}/`);
    }
  }
  if (old.length === 0) return;
  const used = new Set<string>();
  for (let after: string | undefined; ; ) {
    const page = await records.query<StoreRecord>({
      pk: workKeys.stores,
      limit: PAGE,
      ...(after !== undefined && { after }),
    });
    for (const { data } of page) used.add(data.prefix);
    if (page.length < PAGE) break;
    after = page.at(-1)?.sk;
  }
  for (const prefix of old) if (!used.has(prefix)) await staging.deletePrefix(prefix);
}
