import { PerigeeError } from "#protocol/errors.ts";

export function noSuchObject(): PerigeeError {
  return new PerigeeError("FILE_NOT_FOUND", "No such object in staging");
}
