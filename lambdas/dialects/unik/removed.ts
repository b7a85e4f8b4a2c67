import { PerigeeError } from "#protocol/errors.ts";
import { pagesOf } from "../../ports/pages-of.ts";
import type { DialectCore } from "../core.ts";
import type { Removal } from "../dialect.ts";
import { gonePodWrite } from "./gone-pods.ts";
import { readHoldings } from "./holdings.ts";
import { removeHub } from "./hub/removed-hub.ts";
import { UNIK_LANE } from "./lane.ts";
import type { Owner } from "./owner.ts";
import { SPACE } from "./pod-of.ts";
import { keys } from "./records.ts";

const PAGE = 100;
const AT_ONCE = 20;

/** What goes with an account, or with its grant of one edge: instances and images there; with the account also what it pushed. Volumes are the user's data. */
export async function removed(core: DialectCore, { user, uid, edge }: Removal): Promise<void> {
  const edges = edge === undefined ? await edgesOf(core, uid) : [edge];
  for (const one of edges) await removeFrom(core, { user, uid, edge: one });
  if (edge === undefined) await removeHub(core, uid);
}

async function edgesOf({ records }: DialectCore, uid: string): Promise<string[]> {
  const edges: string[] = [];
  for await (const page of pagesOf(records, { pk: keys.edges(uid), limit: PAGE })) {
    edges.push(...page.map(({ sk }) => sk));
  }
  return edges;
}

async function removeFrom(core: DialectCore, owner: Owner): Promise<void> {
  const { images, instances, left, volumes } = await readHoldings(core.records, owner);
  const pods = [...instances, ...left].map(({ pod }) => pod);
  for (const pod of pods) await ask(core, owner, "pod.remove", { pod });
  for (const { content } of images) {
    if (content) await ask(core, owner, "image.delete", { space: SPACE, image: content.ref });
  }
  const logs = pods.map((pod) => gonePodWrite(owner, pod, core.now(), true));
  for (let at = 0; at < logs.length; at += AT_ONCE) {
    await core.records.transact(logs.slice(at, at + AT_ONCE));
  }
  const gone = [
    ...images.map(({ name }) => keys.image(owner, name)),
    ...[...instances, ...left].map(({ id }) => keys.instance(owner, id)),
    ...volumes.map(({ name }) => keys.volume(owner, name)),
    keys.turn(owner),
    // last: what is cut short finds it again
    keys.edge(owner),
  ];
  for (let at = 0; at < gone.length; at += AT_ONCE) {
    await core.records.transact(gone.slice(at, at + AT_ONCE).map((key) => ({ delete: key })));
  }
}

/** Nobody waits for it. An edge whose agent does not know it has nothing of it. */
async function ask(
  core: DialectCore,
  { user, edge }: Owner,
  operation: "pod.remove" | "image.delete",
  input: { pod: string } | { space: string; image: string },
): Promise<void> {
  try {
    await core.dispatch.run({
      user,
      edge,
      lane: UNIK_LANE.name,
      operation,
      input: input as never,
      admission: "queue",
      wait: { kind: "none" },
    });
  } catch (error) {
    if (!(error instanceof PerigeeError) || error.code !== "UNSUPPORTED_OPERATION") throw error;
  }
}
