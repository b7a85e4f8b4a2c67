import type { Context } from "hono";
import { PerigeeError } from "#protocol/errors.ts";
import { readJson } from "../http/json-text.ts";
import { readMediaType } from "../http/media-type.ts";
import { collectBody, isJson, parsedJson, wholeText } from "../http/read-body.ts";
import { refuseEncoded } from "../http/refuse-encoded.ts";

/**
 * A JSON body of at most `maxBytes`; undefined when there is none.
 * @throws BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, INVALID_PARAMETERS
 */
export async function readJsonBody(c: Context, maxBytes: number): Promise<unknown> {
  const bytes = await collectBody(c, maxBytes);
  if (bytes.length === 0) return undefined;
  refuseEncoded(c);
  const { value: media, parameters } = readMediaType(c.req.header("content-type"));
  if (!isJson(media)) {
    throw new PerigeeError("UNSUPPORTED_MEDIA_TYPE", "The body must be application/json, not compressed");
  }
  const text = wholeText(bytes, parameters.get("charset"));
  return parsedJson(() => readJson(text));
}
