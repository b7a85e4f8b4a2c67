import { json, utcSeconds } from "./answers.ts";
import type { EmContext, EmDeps } from "./deps.ts";
import { VOLUME_FIELDS } from "./field-names.ts";
import { invalid } from "./form-values.ts";
import { optionalLabel } from "./names.ts";
import { perform } from "./perform.ts";
import { readFields } from "./read-fields.ts";

/** GET, POST /em/pvc/list */
export async function listVolumes(c: EmContext, deps: EmDeps): Promise<Response> {
  await readFields(c, []);
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
  const fields = await readFields(c, VOLUME_FIELDS);
  const pod = optionalLabel(fields, "pod_name");
  const volume = optionalLabel(fields, "pvc_name") ?? pod;
  if (volume === undefined) throw invalid("pvc_name", "is required");
  return perform(c, deps, {
    operation: "volumes.delete",
    input: { volume },
    respond: () => json({ message: "Volume deleted successfully" }),
  });
}
