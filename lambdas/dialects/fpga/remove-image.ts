import { killPoint } from "#protocol/kill-point.ts";
import { commandOf } from "../../fields/fpga-image-id.ts";
import { SAFE_HEADERS } from "../../http/safe-headers.ts";
import { optimistically } from "../../ports/optimistically.ts";
import type { DialectContext } from "../dialect.ts";
import { projectIn } from "./caller-of-request.ts";
import { findCommand } from "./find-command.ts";
import type { FpgaParts } from "./parts.ts";
import type { Project } from "./project.ts";
import { readImageId } from "./read-query.ts";
import { REFUSALS } from "./refusals.ts";
import { submitDeletion } from "./store/submit-deletion.ts";

/** Neither a body nor a type of one. */
export const nothing = () => new Response(null, { status: 204, headers: SAFE_HEADERS });

/** `DELETE …/{fpga_image_id}` */
export async function deleteImage(c: DialectContext, parts: FpgaParts): Promise<Response> {
  const project = await projectIn(c, parts.core);
  await removeImage(parts, project, readImageId(c.req.param("image") ?? ""));
  return nothing();
}

/**
 * What the edge never had goes at once; of anything else the edge is told, behind the command that stores it.
 * @throws 404, 400 for a protected one; QUEUE_FULL
 */
async function removeImage({ core, images, work }: FpgaParts, project: Project, id: string): Promise<void> {
  const { user, edge } = project;
  const image = await images.find(project.id, id);
  if (!image) throw REFUSALS.unknownImage(project.id, id);
  if (image.status === "deleting") return;
  const command = await findCommand(core, user, commandOf(id));
  // the image's row goes with the end of the command, unless an agent was faster
  if (command && (await images.markRemoving(project.id, id))) {
    killPoint("fpga.removing");
    const ended = await core.dispatch.withdraw(command);
    await work.wake();
    if (ended.state === "cancelled") return;
  }
  const isGone = await optimistically(async () => {
    const now = await images.find(project.id, id);
    if (!now) return true;
    const stored = await findCommand(core, user, commandOf(id));
    if (now.status !== "error" || !stored || stored.attempts > 0) return false;
    if (now.containers.length > 0) throw REFUSALS.protected(project.id, id);
    await core.records.transact(await images.deleted(project.id, id));
    return true;
  });
  if (!isGone) await submitDeletion(core, images, { user, edge, project: project.id, image: id });
}
