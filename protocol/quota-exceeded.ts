import { PerigeeError } from "./errors.ts";

/** The texts of all quota errors: ground and edge use the same ones. */

/** QUOTA_EXCEEDED for the user's bytes on ground and edge. */
export function byteQuotaExceeded(): PerigeeError {
  return new PerigeeError(
    "QUOTA_EXCEEDED",
    "Your byte quota is used up, or would be by this: volumes, images, uplinks under way and content that was downlinked and not deleted count towards it",
  );
}

/** QUOTA_EXCEEDED for the user's pods, of which `open` have not terminated. */
export function podQuotaExceeded(open: number): PerigeeError {
  return new PerigeeError(
    "QUOTA_EXCEEDED",
    `You have ${open} pods that have not terminated, and may have no more`,
  );
}

/** QUOTA_EXCEEDED for the user's access keys, of which there are `most` for the edge. */
export function keyQuotaExceeded(edge: string, most: number): PerigeeError {
  return new PerigeeError(
    "QUOTA_EXCEEDED",
    `There are ${most} access keys for ${edge}, the most that there may be: revoke one first`,
  );
}

/** QUOTA_EXCEEDED for an object of so many bytes where `left` of the byte quota are left. */
export function objectQuotaExceeded(bytes: number, left: number): PerigeeError {
  return new PerigeeError(
    "QUOTA_EXCEEDED",
    `The object has ${bytes} bytes, and ${Math.max(0, left)} of the byte quota are left`,
  );
}

/** QUOTA_EXCEEDED for an archive that unpacks to more than is left. */
export function unpackedQuotaExceeded(): PerigeeError {
  return new PerigeeError("QUOTA_EXCEEDED", "The archive unpacks to more than the user may have");
}

/** QUOTA_EXCEEDED for the objects of a bucket, which has `count`. */
export function bucketQuotaExceeded(bucket: string, count: number): PerigeeError {
  return new PerigeeError("QUOTA_EXCEEDED", `The bucket ${bucket} has ${count} objects, the most`);
}
