import { VOLUME_FIELDS } from "../../fields/field-names.ts";
import { invalid } from "../../fields/form-values.ts";
import { optionalLabel } from "../../fields/names.ts";
import { readFields } from "../../fields/read-fields.ts";
import { json } from "../../http/json-answer.ts";
import { utcSeconds } from "../../http/utc-seconds.ts";
import type { EmContext, EmDeps } from "./deps.ts";
import { perform } from "./perform.ts";

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
    operation: "volume.remove",
    // keys that were sent to version 0.3 or older stay good
    route: "volumes.delete",
    input: { volume },
    respond: () => json({ message: "Volume deleted successfully" }),
  });
}
