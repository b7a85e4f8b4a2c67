import { commandOf } from "../../fields/fpga-image-id.ts";
import { pagesOf } from "../../ports/pages-of.ts";
import type { DialectCore } from "../core.ts";
import type { Removal } from "../dialect.ts";
import { type ImageRecord, keys as imageKeys } from "./images/image-record.ts";
import { FPGA_LANE } from "./lane.ts";
import { type FpgaParts, partsOf } from "./parts.ts";
import { type Project, projectOf } from "./project.ts";
import { workKeys } from "./store/work-records.ts";

const PAGE = 100;
/** Writes of one transaction. */
const MOST_AT_ONCE = 20;

/** What goes with an account, its objects included, or with its grant of one edge. */
export async function removed(core: DialectCore, { user, uid, edge }: Removal): Promise<void> {
  const parts = partsOf(core);
  for (const of of edge === undefined ? await projectsOf(core, uid) : [edge]) {
    await removeProject(parts, projectOf({ name: user, uid }, of));
  }
  if (edge !== undefined) return;
  await parts.userIds.forget(uid);
  await parts.userObjects.removeAll(uid);
}

/** Edges on which the account has registered something, or has keys. */
async function projectsOf({ records }: DialectCore, uid: string): Promise<string[]> {
  const edges: string[] = [];
  for await (const page of pagesOf(records, { pk: workKeys.projects(uid), limit: PAGE })) {
    edges.push(...page.map(({ sk }) => sk));
  }
  return edges;
}

async function removeProject(parts: FpgaParts, project: Project): Promise<void> {
  const { core, images, keys, work } = parts;
  await keys.revokeAll(project.id);
  for (const image of await images.all(project.id)) {
    await endOnEdge(core, project, image);
    // the image last: what is cut short finds it again
    for (let at = 0; at < image.containers.length; at += MOST_AT_ONCE) {
      const some = image.containers.slice(at, at + MOST_AT_ONCE);
      await core.records.transact(some.map((id) => ({ delete: imageKeys.container(project.id, id) })));
    }
    await core.records.transact([
      { delete: imageKeys.image(project.id, image.id) },
      { delete: imageKeys.report(project.id, image.id) },
    ]);
  }
  await core.records.transact([
    { delete: imageKeys.count(project.id) },
    { delete: workKeys.project(project.uid, project.edge) },
  ]);
  await work.wake();
}

/** What cannot be ended now keeps nothing from being removed. */
async function endOnEdge({ commands, dispatch, log }: DialectCore, of: Project, image: ImageRecord) {
  const { user, edge } = of;
  try {
    const command = await dispatch.withdraw(await commands.command(user, commandOf(image.id)));
    if (command.attempts === 0) return;
    await dispatch.run({
      user,
      edge,
      lane: FPGA_LANE.name,
      operation: "fpga.delete",
      input: { image: image.id },
      admission: "queue",
      wait: { kind: "none" },
    });
  } catch (error) {
    log.warn({ err: error }, "an FPGA image of a removed user stays on the edge");
  }
}
