import type { Write } from "../../ports/ledger-store.ts";
import { pagesOf } from "../../ports/pages-of.ts";
import type { DialectCore } from "../core.ts";
import type { Owner } from "./owner.ts";
import { type GonePod, keys } from "./records.ts";

const PAGE = 100;
/** ms after which nothing is told of it any more, nor asked by who repeats the call that made it. */
const QUIET_MS = 60 * 60_000;

/** Written with the end of an instance: who asked for that end may not wait for it. */
export function gonePodWrite({ user, edge }: Pick<Owner, "user" | "edge">, pod: string, at: number): Write {
  const data: GonePod = { user, edge, pod, at };
  return { put: { ...keys.gonePod(data), data } };
}

/** Removes the logs of instances that are gone, and an hour later what came after that and what is known of their runs. */
export async function removeGonePods({ records, podLogs, runs, now }: DialectCore): Promise<void> {
  for await (const page of pagesOf<GonePod>(records, { pk: keys.gonePods, limit: PAGE })) {
    for (const { data } of page) {
      const key = keys.gonePod(data);
      const isLast = now() - data.at > QUIET_MS;
      if (data.done && !isLast) continue;
      await podLogs.remove(data);
      if (isLast) await runs.forget(data);
      await records.transact([isLast ? { delete: key } : { put: { ...key, data: { ...data, done: true } } }]);
    }
  }
}
