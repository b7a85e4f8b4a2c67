import { ConditionFailed, type Write } from "../../ports/ledger-store.ts";
import { pagesOf } from "../../ports/pages-of.ts";
import type { DialectCore } from "../core.ts";
import type { Asked } from "./asked.ts";
import { gonePodWrite } from "./gone-pods.ts";
import { readHoldings } from "./holdings.ts";
import type { Owner } from "./owner.ts";
import { keys } from "./records.ts";

const AT_ONCE = 10;
const PAGE = 100;

/** Written with the end of an image, for the janitor: who asked for that end may not wait for it. */
export function leftWrite({ user, uid, edge }: Owner): Write {
  return { put: { ...keys.leftOf({ uid, edge }), data: { user, uid, edge } satisfies Owner } };
}

/** {@link tidyLeft} for a call whose answer does not rest on it: what fails is the janitor's. */
export async function tidyLeftSoon(asked: Pick<Asked, "core" | "owner">): Promise<void> {
  await tidyLeft(asked).catch((error: unknown) => {
    asked.core.log.warn({ err: error }, "instances whose image is gone stay until the next round");
  });
}

/** {@link tidyLeft} for all whose images have ended since the last round. */
export async function tidyAllLeft(core: DialectCore): Promise<void> {
  for await (const page of pagesOf<Owner>(core.records, { pk: keys.left, limit: PAGE })) {
    for (const { sk, rev, data } of page) {
      try {
        await tidyLeft({ core, owner: data });
        await core.records.transact([{ delete: { pk: keys.left, sk }, if: rev }]).catch(unlessChanged);
      } catch (error) {
        // one that fails does not keep the others
        core.log.warn(
          { err: error, user: data.user },
          "instances whose image is gone stay until the next round",
        );
      }
    }
  }
}

/** Another image has ended meanwhile: its turn is the next. */
function unlessChanged(error: unknown): void {
  if (!(error instanceof ConditionFailed)) throw error;
}

/** Forgets the instances whose image has gone: the edge has removed them with it. What is cut short is done by the next. */
export async function tidyLeft({ core, owner }: Pick<Asked, "core" | "owner">): Promise<void> {
  const { left } = await readHoldings(core.records, owner);
  for (let at = 0; at < left.length; at += AT_ONCE) {
    const some = left.slice(at, at + AT_ONCE);
    await Promise.all(some.map(({ pod }) => core.podLogs.remove({ ...owner, pod })));
    await core.records.transact(
      some.flatMap(({ id, pod }) => [
        { delete: keys.instance(owner, id) },
        gonePodWrite(owner, pod, core.now()),
      ]),
    );
  }
}
