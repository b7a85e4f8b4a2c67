import { readBody, readQueryAndBody } from "../../http/read-body.ts";
import { json, utcSeconds } from "./answers.ts";
import type { EmContext, EmDeps } from "./deps.ts";
import { invalid } from "./form-values.ts";
import { optionalLabel } from "./names.ts";
import { perform } from "./perform.ts";

/** GET, POST /em/pvc/list */
export async function listVolumes(c: EmContext, deps: EmDeps): Promise<Response> {
  await readQueryAndBody(c);
  return perform(c, deps, {
    operation: "volumes.list",
    input: {},
    respond: ({ volumes }) =>
      json({
        message: "Successfully listed volumes",
        data: volumes.map(({ name, size, created }) => ({ name, size, created: utcSeconds(created) })),
      }),
  });
}

/** POST /em/pvc/delete: never the default volume by silence, so one of the names has to be there. */
export async function deleteVolume(c: EmContext, deps: EmDeps): Promise<Response> {
  const fields = await readBody(c);
  const pod = optionalLabel(fields, "pod_name");
  const volume = optionalLabel(fields, "pvc_name") ?? pod;
  if (volume === undefined) throw invalid("pvc_name", "is required");
  return perform(c, deps, {
    operation: "volumes.delete",
    input: { volume },
    respond: () => json({ message: "Volume deleted successfully" }),
  });
}
