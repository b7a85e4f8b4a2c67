import { PerigeeError } from "#protocol/errors.ts";
import { collectBody } from "../../../http/read-body.ts";
import type { EmContext } from "../deps.ts";

/**
 * A JSON body of at most `maxBytes`; undefined when there is none.
 * @throws BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, INVALID_PARAMETERS
 */
export async function readJsonBody(c: EmContext, maxBytes: number): Promise<unknown> {
  const bytes = await collectBody(c, maxBytes);
  if (bytes.length === 0) return undefined;
  const media = (c.req.header("content-type") ?? "").split(";", 1)[0]!.trim().toLowerCase();
  const plain = (c.req.header("content-encoding") ?? "identity") === "identity";
  if (!plain || (media !== "application/json" && !media.endsWith("+json"))) {
    throw new PerigeeError("UNSUPPORTED_MEDIA_TYPE", "The body must be application/json, not compressed");
  }
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new PerigeeError("INVALID_PARAMETERS", "The body is not JSON", { cause });
  }
}
