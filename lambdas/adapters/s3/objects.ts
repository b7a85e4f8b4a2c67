import type { ObjectSource } from "../../ports/object-source.ts";
import { StoredObjects } from "../stored-objects.ts";
import { S3Staging, type S3StagingOptions } from "./staging.ts";

/** Users' objects in an S3 bucket of their own; what is pinned is copied by S3 into the bucket of `staging`. */
export function s3Objects(options: S3StagingOptions, staging: S3Staging): ObjectSource {
  const store = new S3Staging(options);
  return new StoredObjects({
    store,
    toStaging: (from, to) => staging.copyFrom(store, from, to),
    fromStaging: (from, to) => store.copyFrom(staging, from, to),
  });
}
