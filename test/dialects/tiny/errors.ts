import type { ErrorShape } from "#lambdas/http/errors.ts";

/** Every refusal is a 400 in a shape of its own; only our own faults are a 500. */
export const errors: ErrorShape = ({ code, message }, _command, request) =>
  Response.json(
    { fault: { code, text: message, at: request ? new URL(request.url).pathname : null } },
    { status: code === "INTERNAL_ERROR" ? 500 : 400 },
  );
