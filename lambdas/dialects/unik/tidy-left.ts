import type { Asked } from "./asked.ts";
import { readHoldings } from "./holdings.ts";
import { keys } from "./records.ts";

const AT_ONCE = 20;

/** Forgets the instances whose image has gone: the edge has removed them with it. What is cut short is done by the next. */
export async function tidyLeft({ core, owner }: Pick<Asked, "core" | "owner">): Promise<void> {
  const { left } = await readHoldings(core.records, owner);
  for (let at = 0; at < left.length; at += AT_ONCE) {
    const some = left.slice(at, at + AT_ONCE);
    await Promise.all(some.map(({ pod }) => core.podLogs.remove({ ...owner, pod })));
    await core.records.transact(some.map(({ id }) => ({ delete: keys.instance(owner, id) })));
  }
}
