import type { ObjectSource } from "../../ports/object-source.ts";
import { StoredObjects } from "../stored-objects.ts";
import type { LateS3Staging } from "./late-staging.ts";

/**
 * Users' objects in an S3 bucket of their own, `store`; what is pinned is copied by S3 into the bucket of `staging`, what
 * is adopted out of it.
 */
export function s3Objects(store: LateS3Staging, staging: LateS3Staging): ObjectSource {
  return new StoredObjects({
    store,
    toStaging: (from, to) => staging.copyFrom(store, from, to),
    fromStaging: (from, to) => store.copyFrom(staging, from, to),
  });
}
