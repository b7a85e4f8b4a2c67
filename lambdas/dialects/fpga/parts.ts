import { randomBytes } from "node:crypto";
import type { ObjectSource } from "../../ports/object-source.ts";
import type { DialectCore } from "../core.ts";
import { AccessKeys } from "./auth/access-keys.ts";
import { SecretSeal } from "./auth/sealed-secret.ts";
import { Images } from "./images/images.ts";
import { StoreWork } from "./store/store-work.ts";

/** What this dialect makes of a ground's core. */
export type FpgaParts = {
  core: DialectCore;
  objects: ObjectSource;
  images: Images;
  keys: AccessKeys;
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
  const { objects, records } = core;
  if (!objects) {
    throw new Error("PERIGEE_DIALECTS: fpga needs a server on its own storage, as users' buckets are there");
  }
  const images = new Images(records);
  // no route makes access keys yet, and no key of the ground seals them: none outlives the process
  const keys = new AccessKeys(records, new SecretSeal([randomBytes(32)]));
  const parts = { core, objects, images, keys, work: new StoreWork({ core, images }) };
  made.set(core, parts);
  return parts;
}
