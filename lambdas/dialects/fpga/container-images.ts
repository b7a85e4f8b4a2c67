import { containerImageId } from "../../fields/container-image-id.ts";
import { json } from "../../http/json-answer.ts";
import { utcSeconds } from "../../http/utc-seconds.ts";
import type { DialectContext } from "../dialect.ts";
import { callerIn } from "./caller-of-request.ts";
import type { FpgaParts } from "./parts.ts";
import { projectOf } from "./project.ts";

/**
 * `GET /fpga/container-images`: the user's container images on the edge that the header `Perigee-Edge` names, as last
 * reported, with the ids by which they are associated. It needs no contact.
 */
export async function listContainerImages(c: DialectContext, { core }: FpgaParts): Promise<Response> {
  const { account } = callerIn(c);
  const edge = await core.resolveEdge(account.name, c.req.header("perigee-edge"));
  const project = projectOf(account, edge);
  const reported = await core.inventory.images(edge, account.name);
  const data = (reported?.items ?? []).map(({ name, tag }) => {
    const image = `${name}:${tag}`;
    return { image, image_id: containerImageId(project.id, account.name, image) };
  });
  const at = reported ? utcSeconds(reported.at) : null;
  return json({
    message: "Successfully fetched container images",
    data,
    project_id: project.id,
    reported_at: at,
  });
}
