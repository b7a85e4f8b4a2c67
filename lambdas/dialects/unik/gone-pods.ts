import type { Write } from "../../ports/ledger-store.ts";
import { pagesOf } from "../../ports/pages-of.ts";
import type { DialectCore } from "../core.ts";
import type { Owner } from "./owner.ts";
import { type GonePod, keys } from "./records.ts";

const PAGE = 100;
/** ms after which nothing is told of it any more, nor asked by who repeats the call that made it. */
const QUIET_MS = 60 * 60_000;

/**
 * Written with the end of an instance: who asked for that end may not wait for it.
 * @param mayRun the edge is only being asked to remove it
 */
export function gonePodWrite(
  { user, edge }: Pick<Owner, "user" | "edge">,
  pod: string,
  at: number,
  mayRun = false,
): Write {
  const data: GonePod = { user, edge, pod, at, ...(mayRun && { mayRun }) };
  return { put: { ...keys.gonePod(data), data } };
}

/** Removes the logs of instances that are gone, and an hour later what came after that and what is known of their runs. */
export async function removeGonePods(core: DialectCore): Promise<void> {
  for await (const page of pagesOf<GonePod>(core.records, { pk: keys.gonePods, limit: PAGE })) {
    for (const { data } of page) {
      // one that cannot be removed now does not keep the others
      await removeOne(core, data).catch((error: unknown) => {
        core.log.warn({ err: error, pod: data.pod }, "the log of an instance stays until the next round");
      });
    }
  }
}

async function removeOne({ records, podLogs, runs, now }: DialectCore, data: GonePod): Promise<void> {
  const key = keys.gonePod(data);
  const isQuiet = now() - data.at > QUIET_MS;
  if (data.done && !isQuiet) return;
  // one that an edge without contact has not stopped yet writes on: until its end is told, or it is forgotten by its age
  const isOver = !data.mayRun || (await runs.find(data)).every(({ terminated }) => terminated);
  const isLast = isQuiet && isOver;
  if (data.done && !isLast) return;
  await podLogs.remove(data);
  if (isLast) await runs.forget(data);
  await records.transact([isLast ? { delete: key } : { put: { ...key, data: { ...data, done: true } } }]);
}
