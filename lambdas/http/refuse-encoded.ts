import type { Context } from "hono";
import { PerigeeError } from "#protocol/errors.ts";

/** Encodings under which a body is what it is; a list may name several. */
const PLAIN = {
  "content-encoding": ["", "identity"],
  "content-transfer-encoding": ["", "7bit", "8bit", "binary"],
  "transfer-encoding": ["", "chunked", "identity"],
};

/**
 * Refuses a body that is not the bytes that are meant: compressed, encoded, or a piece of a larger one.
 * @throws UNSUPPORTED_MEDIA_TYPE
 */
export function refuseEncoded(c: Context): void {
  for (const [name, plain] of Object.entries(PLAIN)) {
    const items = (c.req.header(name) ?? "").split(",").map((item) => item.trim().toLowerCase());
    if (!items.every((item) => plain.includes(item))) {
      throw new PerigeeError("UNSUPPORTED_MEDIA_TYPE", `${name}: the body must not be compressed or encoded`);
    }
  }
  if (c.req.header("content-range") !== undefined) {
    throw new PerigeeError("UNSUPPORTED_MEDIA_TYPE", "content-range: a body must come whole");
  }
}
