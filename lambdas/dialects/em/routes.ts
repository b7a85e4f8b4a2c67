import type { Hono } from "hono";
import type { GroundEnv } from "../../http/env.ts";
import { registerRoute } from "../../http/route-handler.ts";
import type { EmContext, EmDeps } from "./deps.ts";
import { deleteFile, downlinkFile, listFiles } from "./files.ts";
import { buildImage, deleteImage, listImages, loadImage } from "./images.ts";
import { podLogs } from "./logs.ts";
import { nodesStatus } from "./nodes.ts";
import { podStatus, runPod, stopPod } from "./pods.ts";
import { uplinkFiles } from "./uplink.ts";
import { deleteVolume, listVolumes } from "./volumes.ts";

const GET = ["GET"];
const POST = ["POST"];
/** reading routes answer POST as they answer GET */
const BOTH = ["GET", "POST"];

type Handle = (c: EmContext, deps: EmDeps) => Promise<Response>;

export const EM_ROUTES: readonly (readonly [path: string, methods: readonly string[], handle: Handle])[] = [
  ["/em/files/uplink", POST, uplinkFiles],
  ["/em/files/list", BOTH, listFiles],
  ["/em/files/downlink", ["GET", "HEAD"], downlinkFile],
  ["/em/files/delete", POST, deleteFile],
  ["/em/pod/image/build", POST, buildImage],
  ["/em/pod/image/load", POST, loadImage],
  ["/em/pod/image/list", BOTH, listImages],
  ["/em/pod/image/delete", POST, deleteImage],
  ["/em/pod/run", POST, runPod],
  ["/em/pod/status", BOTH, podStatus],
  ["/em/pod/stop", POST, stopPod],
  ["/em/pod/logs", GET, podLogs],
  ["/em/nodes/status", BOTH, nodesStatus],
  ["/em/pvc/list", BOTH, listVolumes],
  ["/em/pvc/delete", POST, deleteVolume],
];

/**
 * Puts the EM dialect's routes on an app (documentation.ts describes them). The app needs `getPath: foldedPath`
 * and, in front of these, a middleware that sets `user` or answers 401.
 */
export function registerEmRoutes(app: Hono<GroundEnv>, deps: EmDeps): void {
  for (const [path, methods, handle] of EM_ROUTES) {
    registerRoute(app, deps, { path, methods, handle: (c) => handle(c, deps) });
  }
}
