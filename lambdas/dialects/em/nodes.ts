import { readFields } from "../../fields/read-fields.ts";
import { json } from "../../http/json-answer.ts";
import type { EmContext, EmDeps } from "./deps.ts";
import { perform } from "./perform.ts";

/** GET, POST /em/nodes/status */
export async function nodesStatus(c: EmContext, deps: EmDeps): Promise<Response> {
  await readFields(c, []);
  return perform(c, deps, {
    operation: "nodes.status",
    input: {},
    respond: ({ nodes }) =>
      json({
        message: "Nodes retrieved successfully.",
        data: nodes.map(({ name, status }) => ({ name, status })),
      }),
  });
}
