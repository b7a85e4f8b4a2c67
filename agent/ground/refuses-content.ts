import { PerigeeError } from "#protocol/errors.ts";

/** Did the ground refuse what was sent for what is in it? It would do so again. */
export function refusesContent(error: unknown): boolean {
  return (
    error instanceof PerigeeError && (error.code === "INVALID_PARAMETERS" || error.code === "BODY_TOO_LARGE")
  );
}
