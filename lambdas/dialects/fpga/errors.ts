import { type ErrorShape, failureResponse } from "../../http/errors.ts";
import { foldSlashes } from "../../http/fold-slashes.ts";
import { identityErrors } from "./auth/identity-errors.ts";
import { isOwn } from "./base-path.ts";
import { errors as imageErrors } from "./refusals.ts";

/** Failures of `/v3` have a form of their own, those of `/fpga` Perigee's. */
export const errors: ErrorShape = (failure, command, request) => {
  const path = request ? foldSlashes(new URL(request.url).pathname) : "";
  if (isOwn(path)) return failureResponse(failure, command);
  return path.startsWith("/v3/") ? identityErrors(failure, command) : imageErrors(failure, command);
};
