import { LIMITS } from "#protocol/limits.ts";
import { collectBody } from "../../http/read-body.ts";
import type { DialectContext } from "../dialect.ts";
import { projectIn } from "./caller-of-request.ts";
import type { FpgaParts } from "./parts.ts";
import { readAssociation } from "./read-body.ts";
import { readImageId } from "./read-query.ts";
import { nothing } from "./remove-image.ts";

/** `POST …/{fpga_image_id}/association` */
export async function associate(c: DialectContext, { core, images }: FpgaParts): Promise<Response> {
  const { project, image, container } = await pairIn(c, core);
  await images.associate(project, image, container);
  return nothing();
}

/** `DELETE …/{fpga_image_id}/association`, with the same body */
export async function disassociate(c: DialectContext, { core, images }: FpgaParts): Promise<Response> {
  const { project, image, container } = await pairIn(c, core);
  await images.disassociate(project, image, container);
  return nothing();
}

async function pairIn(c: DialectContext, core: FpgaParts["core"]) {
  const project = await projectIn(c, core);
  const image = readImageId(c.req.param("image") ?? "");
  const container = readAssociation(await collectBody(c, LIMITS.bodyBytes));
  return { project: project.id, image, container };
}
