import type { ObjectSource } from "../../ports/object-source.ts";
import { StoredObjects } from "../stored-objects.ts";
import { DirectoryStaging, type DirectoryStagingOptions } from "./staging.ts";

/**
 * Users' objects in a directory, on the file system of `staging`: what is pinned there is another name of the file,
 * which is never written again.
 */
export async function openDirectoryObjects(
  root: string,
  staging: DirectoryStaging,
  options: DirectoryStagingOptions,
): Promise<ObjectSource> {
  const store = await DirectoryStaging.open(root, options);
  return new StoredObjects({
    store,
    toStaging: (from, to) => staging.copyFrom(store, from, to),
    fromStaging: (from, to) => store.copyFrom(staging, from, to),
  });
}
