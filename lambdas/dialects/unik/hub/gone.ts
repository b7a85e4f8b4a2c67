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

/** Removes from staging what is nobody's any more. What is cut short is done by the next. */
export async function removeGone({
  records,
  staging,
  now,
}: Pick<DialectCore, "records" | "staging" | "now">): Promise<void> {
  for await (const page of pagesOf<GoneRecord>(records, { pk: hubKeys.gone, limit: PAGE })) {
    for (const { sk, data } of page) {
      const isLast = now() - data.at > QUIET_MS;
      if (data.done && !isLast) continue;
      await staging.deletePrefix(sk);
      const key = hubKeys.goneOne(sk);
      const done: GoneRecord = { ...data, done: true };
      await records.transact([isLast ? { delete: key } : { put: { ...key, data: done } }]);
    }
  }
}

/** As {@link removeGone}, after a call that has its answer: what fails is the janitor's. */
export async function removeGoneSoon(core: DialectCore): Promise<void> {
  await removeGone(core).catch((error: unknown) => {
    core.log.warn({ err: error }, "what is gone from the hub stays until the next round");
  });
}
