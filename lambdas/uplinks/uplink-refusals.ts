import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";

export function uplinkTooLarge(): PerigeeError {
  return new PerigeeError("MAX_UPLINK_SIZE_EXCEEDED", "Total upload size exceeds 2 GB");
}

export function noFiles(): PerigeeError {
  return new PerigeeError("NO_FILES", "No files were provided for uplink!");
}

export function tooManyFiles(): PerigeeError {
  return new PerigeeError("TOO_MANY_FILES", `One uplink takes at most ${LIMITS.uplinkFiles} files`);
}
