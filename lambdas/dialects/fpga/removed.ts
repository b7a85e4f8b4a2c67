import { commandOf } from "../../fields/fpga-image-id.ts";
import { ulid } from "../../ledger/ulid.ts";
import type { Write } from "../../ports/ledger-store.ts";
import { pagesOf } from "../../ports/pages-of.ts";
import type { DialectCore } from "../core.ts";
import type { Removal } from "../dialect.ts";
import { findCommand } from "./find-command.ts";
import { type ImageRecord, keys as imageKeys } from "./images/image-record.ts";
import { type FpgaParts, partsOf } from "./parts.ts";
import { type Project, projectOf } from "./project.ts";
import { type DeletionRecord, workKeys } from "./store/work-records.ts";

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
    // the image last: what is cut short finds it again
    for (let at = 0; at < image.containers.length; at += MOST_AT_ONCE) {
      const some = image.containers.slice(at, at + MOST_AT_ONCE);
      await core.records.transact(some.map((id) => ({ delete: imageKeys.container(project.id, id) })));
    }
    const deletion = await deletionOnEdge(core, project, image);
    await core.records.transact([
      { delete: imageKeys.image(project.id, image.id) },
      { delete: imageKeys.report(project.id, image.id) },
      { delete: imageKeys.agentLog(project.id, image.id) },
      ...(deletion ? [deletion] : []),
    ]);
  }
  await core.records.transact([
    { delete: imageKeys.count(project.id) },
    { delete: workKeys.project(project.uid, project.edge) },
  ]);
  await work.wake();
}

/**
 * Ends the command that stores an image. @returns the note by which the edge is told to delete it, in this round of the
 * work or a later one, until it has; undefined when no agent ever had it
 */
async function deletionOnEdge(
  core: DialectCore,
  of: Project,
  image: ImageRecord,
): Promise<Write | undefined> {
  const { user, edge, id: project } = of;
  // a command that is older than the ground's memory was an agent's
  const command = await findCommand(core, user, commandOf(image.id));
  if (command && (await core.dispatch.withdraw(command)).attempts === 0) return undefined;
  const data: DeletionRecord = { user, edge, project, image: image.id, forgotten: true };
  return { put: { ...workKeys.deletion(ulid(core.now())), data } };
}
