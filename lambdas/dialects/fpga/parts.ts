import type { ObjectSource } from "../../ports/object-source.ts";
import type { DialectCore } from "../core.ts";
import { AccessKeys } from "./auth/access-keys.ts";
import { SecretSeal } from "./auth/sealed-secret.ts";
import { UserIds } from "./auth/user-ids.ts";
import { Images } from "./images/images.ts";
import { ObjectUploads } from "./objects/object-uploads.ts";
import { UserObjects } from "./objects/user-objects.ts";
import { StoreWork } from "./store/store-work.ts";

/** What this dialect makes of a ground's core. */
export type FpgaParts = {
  core: DialectCore;
  objects: ObjectSource;
  userObjects: UserObjects;
  uploads: ObjectUploads;
  images: Images;
  keys: AccessKeys;
  userIds: UserIds;
  work: StoreWork;
};

const made = new WeakMap<DialectCore, FpgaParts>();

/**
 * The parts of a ground, made once.
 * @throws Error on a ground that keeps no buckets
 */
export function partsOf(core: DialectCore): FpgaParts {
  const known = made.get(core);
  if (known) return known;
  const { objects, records, sealKeys } = core;
  if (!objects) throw new Error("PERIGEE_DIALECTS: fpga needs a bucket for users' objects (PERIGEE_OBJECTS)");
  if (!sealKeys) {
    throw new Error("PERIGEE_DIALECTS: fpga needs keys that seal users' secrets (PERIGEE_SEAL_SECRET)");
  }
  const images = new Images(records);
  const keys = new AccessKeys(records, new SecretSeal(sealKeys));
  const userObjects = new UserObjects(core, objects);
  const parts: FpgaParts = {
    core,
    objects,
    userObjects,
    uploads: new ObjectUploads(core, userObjects),
    images,
    keys,
    userIds: new UserIds(records),
    work: new StoreWork({ core, images }),
  };
  made.set(core, parts);
  return parts;
}
