import type { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import { namedField } from "../../fields/field-names.ts";
import type { PartSink } from "../../http/multipart/multipart-parser.ts";
import type { FormOptions } from "../../http/multipart/receive-form.ts";
import { UPLINK_FIELDS } from "../../uplinks/placed.ts";
import { noFiles, tooManyFiles, uplinkTooLarge } from "../../uplinks/uplink-refusals.ts";

/** Names under which clients send files; other names with a file name are files too. */
const FILES = /^files(?:\[\d*\])*$/;

/** What the form of an uplink holds: a field of the route stays one also when its part carries a file name. */
export const UPLINK_FORM = {
  isField: ({ name, fileName }) =>
    namedField(name, UPLINK_FIELDS) !== undefined || (fileName === undefined && !FILES.test(name)),
  most: { files: LIMITS.uplinkFiles, bytes: LIMITS.uplinkBytes, bodyBytes: LIMITS.uplinkBodyBytes },
  refusals: { noFiles, tooManyFiles, tooLarge: uplinkTooLarge },
  takeUnnamed: pathOnly,
} satisfies Partial<FormOptions<unknown>>;

/** Some send the path of a file where the file should be, which is no file; any other content is one without a name. */
function pathOnly(refusal: PerigeeError): PartSink {
  let bytes = 0;
  return {
    data(piece) {
      bytes += piece.length;
      if (bytes > LIMITS.pathBytes || piece.includes(0)) throw refusal;
    },
    end: () => {},
  };
}
