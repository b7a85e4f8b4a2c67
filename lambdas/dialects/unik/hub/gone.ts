import type { Write } from "../../../ports/ledger-store.ts";
import { pagesOf } from "../../../ports/pages-of.ts";
import type { DialectCore } from "../../core.ts";
import { type GoneRecord, hubKeys } from "./hub-records.ts";

const PAGE = 100;
/** ms after which nothing comes any more to where it was removed: an answer that was under way has ended then. */
const QUIET_MS = 60 * 60_000;

/** Written with what makes objects in staging nobody's. @param prefix a whole key, or one that ends in `/` */
export function goneWrite(prefix: string, at: number): Write {
  const data: GoneRecord = { at };
  return { put: { ...hubKeys.goneOne(prefix), data } };
}

type Core = Pick<DialectCore, "records" | "staging" | "now" | "log">;

/** Removes from staging what is nobody's any more. What is cut short is done by the next. */
export async function removeGone(core: Core): Promise<void> {
  const { records, now } = core;
  for await (const page of pagesOf<GoneRecord>(records, { pk: hubKeys.gone, limit: PAGE })) {
    for (const { sk, data } of page) {
      const isLast = now() - data.at > QUIET_MS;
      // one that cannot be removed now does not keep the others
      if (!data.done || isLast) await removeOne(core, sk, data, isLast).catch(failed(core));
    }
  }
}

async function removeOne({ records, staging }: Core, prefix: string, record: GoneRecord, isLast: boolean) {
  await staging.deletePrefix(prefix);
  const key = hubKeys.goneOne(prefix);
  const data: GoneRecord = { ...record, done: true };
  await records.transact([isLast ? { delete: key } : { put: { ...key, data } }]);
}

/** As {@link removeGone}, for a call whose answer does not rest on it: what fails is the janitor's. */
export async function removeGoneSoon(core: Core): Promise<void> {
  await removeGone(core).catch(failed(core));
}

function failed({ log }: Pick<Core, "log">) {
  return (error: unknown) => log.warn({ err: error }, "what is gone from the hub stays until the next round");
}
