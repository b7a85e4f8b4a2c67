import { rawTarget } from "../../http/raw-request.ts";
import { SAFE_HEADERS } from "../../http/safe-headers.ts";
import type { DialectContext } from "../dialect.ts";
import { splitTarget } from "./auth/signed-request.ts";
import { projectIn } from "./caller-of-request.ts";
import { associationsJson, detailJson } from "./images/image-view.ts";
import { messages } from "./messages.ts";
import type { FpgaParts } from "./parts.ts";
import { onPage, readAssociationsQuery, readDetailQuery } from "./read-query.ts";

const queryOf = (c: DialectContext) => splitTarget(rawTarget(c)).query;

/** `GET …/detail` */
export async function detail(c: DialectContext, parts: FpgaParts): Promise<Response> {
  const { core, images } = parts;
  const project = await projectIn(c, core);
  const { image: id, page } = readDetailQuery(queryOf(c));
  const one = id === undefined ? undefined : await images.find(project.id, id);
  const all = id === undefined ? await images.all(project.id) : one ? [one] : [];
  return text(detailJson(await messages(core, project, onPage(all, page)), all.length));
}

/** `GET …/associations` */
export async function associations(c: DialectContext, parts: FpgaParts): Promise<Response> {
  const { core, images } = parts;
  const project = await projectIn(c, core);
  const { page, ...ids } = readAssociationsQuery(queryOf(c));
  return text(associationsJson(onPage(await images.pairs(project.id, ids), page)));
}

/** JSON that was written already: metadata goes out as it came. */
function text(body: string): Response {
  return new Response(body, { headers: { "content-type": "application/json", ...SAFE_HEADERS } });
}
