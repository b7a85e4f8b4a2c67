import { readRange } from "#protocol/byte-range.ts";
import { PerigeeError } from "#protocol/errors.ts";
import { listingId } from "#protocol/volume-changes.ts";
import { fileAnswer, fileHead, HEAD_RANGE } from "../../content/file-answer.ts";
import { VOLUME_FIELDS } from "../../fields/field-names.ts";
import { invalid, requiredField } from "../../fields/form-values.ts";
import { volumeName } from "../../fields/names.ts";
import { pathInVolume } from "../../fields/path-rules.ts";
import { readFields } from "../../fields/read-fields.ts";
import { json } from "../../http/json-answer.ts";
import type { EmContext, EmDeps } from "./deps.ts";
import { listingAnswer } from "./listing.ts";
import { perform } from "./perform.ts";

/** GET, POST /em/files/list */
export async function listFiles(c: EmContext, deps: EmDeps): Promise<Response> {
  const volume = volumeName(await readFields(c, VOLUME_FIELDS));
  return perform(c, deps, {
    operation: "volume.list",
    input: { volume },
    respond: (result, command, once) => listingAnswer(c, deps, result, command, once),
  });
}

/** GET, HEAD /em/files/downlink */
export async function downlinkFile(c: EmContext, deps: EmDeps): Promise<Response> {
  const fields = await readFields(c, [...VOLUME_FIELDS, "filepath"]);
  const path = pathInVolume("filepath", requiredField(fields, "filepath"));
  const head = c.req.method === "HEAD";
  const range = head ? HEAD_RANGE : readRange(c.req.header("range"));
  const ifRange = head ? undefined : c.req.header("if-range");
  return perform(c, deps, {
    operation: "volume.read",
    input: {
      volume: volumeName(fields),
      path,
      // A validator that is too long to be ours matches nothing: then the whole file is meant.
      ...(range && (ifRange?.length ?? 0) <= 200 && { range, ...(ifRange && { ifRange }) }),
      ...sinceOf(c.req.header("perigee-since")),
    },
    respond: (result, command, once) =>
      head ? fileHead(c, deps, result, command, once) : fileAnswer(c, deps, result, command, once),
  });
}

/** @throws PerigeeError INVALID_PARAMETERS for what no `Perigee-Listing` ever was */
function sinceOf(header: string | undefined): { since?: string } {
  if (header === undefined) return {};
  const { success, data } = listingId.safeParse(header);
  if (!success) throw invalid("Perigee-Since", "must be what Perigee-Listing of an earlier downlink said");
  return { since: data };
}

/** POST /em/files/delete */
export async function deleteFile(c: EmContext, deps: EmDeps): Promise<Response> {
  const fields = await readFields(c, [...VOLUME_FIELDS, "filepath"]);
  const volume = volumeName(fields);
  const path = pathInVolume("filepath", requiredField(fields, "filepath"), { slashIsRoot: true });
  if (path === "") {
    throw new PerigeeError(
      "DELETE_FAILED",
      "filepath: the volume's root cannot be deleted; see /em/pvc/delete",
    );
  }
  return perform(c, deps, {
    operation: "file.delete",
    // keys that were sent to version 0.3 or older stay good
    route: "volume.delete",
    input: { volume, path },
    respond: () => json({ message: "File deleted successfully" }),
  });
}
