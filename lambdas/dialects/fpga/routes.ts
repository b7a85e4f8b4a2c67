import type { Hono } from "hono";
import type { GroundEnv } from "../../http/env.ts";
import type { DialectCore } from "../core.ts";
import type { DialectContext } from "../dialect.ts";
import { associate, disassociate } from "./association.ts";
import { createKey, listKeys, revokeKey } from "./auth/key-routes.ts";
import { postTokens } from "./auth/post-tokens.ts";
import { BASE, CHECKPOINT, CONTAINER_IMAGES, IMAGES, KEYS, OBJECTS, PROJECTS, TOKENS } from "./base-path.ts";
import { projectIn } from "./caller-of-request.ts";
import { listContainerImages } from "./container-images.ts";
import { getProjects } from "./get-projects.ts";
import { associations, detail } from "./listing.ts";
import { getImageLog } from "./log/log-route.ts";
import {
  completeObject,
  giveUpObject,
  listObjects,
  openObject,
  removeObject,
  signObjectParts,
} from "./objects/object-routes.ts";
import { type FpgaParts, partsOf } from "./parts.ts";
import { REFUSALS } from "./refusals.ts";
import { register } from "./register.ts";
import { deleteImage } from "./remove-image.ts";

type Handle = (c: DialectContext, parts: FpgaParts) => Promise<Response>;

/** It needs the vendor's tools for synthesis. */
const checkpoint: Handle = async (c, { core }) => {
  await projectIn(c, core);
  throw REFUSALS.checkpoint();
};

/** Every route, with what answers it. */
export const ROUTES: readonly (readonly [method: string, path: string, handle: Handle])[] = [
  ["POST", BASE, register],
  ["GET", `${BASE}/detail`, detail],
  ["GET", `${BASE}/associations`, associations],
  ["DELETE", `${BASE}/:image`, deleteImage],
  ["POST", `${BASE}/:image/association`, associate],
  ["DELETE", `${BASE}/:image/association`, disassociate],
  ["POST", CHECKPOINT, checkpoint],
  ["POST", TOKENS, postTokens],
  ["GET", PROJECTS, getProjects],
  ["POST", OBJECTS, openObject],
  ["GET", OBJECTS, listObjects],
  ["POST", `${OBJECTS}/:id/parts`, signObjectParts],
  ["POST", `${OBJECTS}/:id/complete`, completeObject],
  ["DELETE", `${OBJECTS}/:id`, giveUpObject],
  ["DELETE", `${OBJECTS}/:bucket/:key`, removeObject],
  ["GET", `${IMAGES}/:id/log`, getImageLog],
  ["GET", CONTAINER_IMAGES, listContainerImages],
  ["POST", KEYS, createKey],
  ["GET", KEYS, listKeys],
  ["DELETE", `${KEYS}/:key`, revokeKey],
];

/**
 * Puts the dialect's routes on an app; what they throw, the ground's own handler words with `errors`.
 * @throws Error on a ground that cannot have this dialect
 */
export function mount(app: Hono<GroundEnv>, core: DialectCore): void {
  const parts = partsOf(core);
  for (const [method, path, handle] of ROUTES) app.on(method, path, (c) => handle(c, parts));
}
