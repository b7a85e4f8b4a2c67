import type { Hono } from "hono";
import type { EmContext, EmDeps, EmEnv } from "./deps.ts";
import { deleteFile, downlinkFile, listFiles } from "./files.ts";
import { handler, methodNotAllowed } from "./handler.ts";
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
export function registerEmRoutes<E extends EmEnv>(app: Hono<E>, deps: EmDeps): void {
  for (const [path, methods, handle] of EM_ROUTES) {
    const answer = handler(deps, methods, (c) => handle(c, deps));
    app.on([...methods], [path], (c) => answer(c as unknown as EmContext));
    const refuse = handler(deps, undefined, () => Promise.reject(methodNotAllowed(methods)));
    app.all(path, (c) => refuse(c as unknown as EmContext));
  }
}
