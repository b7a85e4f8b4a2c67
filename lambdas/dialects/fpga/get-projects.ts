import { json } from "../../http/json-answer.ts";
import { rawTarget } from "../../http/raw-request.ts";
import type { DialectContext } from "../dialect.ts";
import { splitTarget } from "./auth/signed-request.ts";
import { callerIn, projectsOf } from "./caller-of-request.ts";
import type { FpgaParts } from "./parts.ts";

/** `GET /v3/projects?name=<region>` */
export async function getProjects(c: DialectContext, { core }: FpgaParts): Promise<Response> {
  const name = new URLSearchParams(splitTarget(rawTarget(c)).query).get("name");
  const all = await projectsOf(callerIn(c), core);
  const projects = all
    .filter(({ edge }) => name === null || edge === name)
    .map(({ id, domain, edge }) => ({ id, domain_id: domain, name: edge, enabled: true }));
  return json({ projects, links: {} });
}
