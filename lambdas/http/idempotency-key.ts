import { createHash } from "node:crypto";
import { PerigeeError } from "#protocol/errors.ts";
import type { Idempotency } from "../dispatch/dispatch.ts";

/**
 * Reads `Idempotency-Key`; undefined when there is none. `request` is what the key stands for: the
 * normalised input and the edge, so that two ways of writing one request are the same request.
 * @throws INVALID_PARAMETERS for a key that is empty, over 255 characters or not printable ASCII
 */
export function readIdempotency(
  header: string | undefined,
  route: string,
  request: unknown,
): Idempotency | undefined {
  if (header === undefined) return undefined;
  if (!/^[\x20-\x7e]{1,255}$/.test(header)) {
    throw new PerigeeError("INVALID_PARAMETERS", "Idempotency-Key: must be 1 to 255 printable characters");
  }
  const digest = createHash("sha256").update(canonical(request)).digest("hex");
  return { key: header, route, digest };
}

/** JSON with sorted keys and without undefined ones. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
