import type { Hono } from "hono";
import { PerigeeError } from "#protocol/errors.ts";
import { incomingOf } from "../../http/body-stream.ts";
import type { GroundEnv } from "../../http/env.ts";
import { readQuery } from "../../http/read-body.ts";
import type { DialectCore } from "../core.ts";
import type { DialectContext } from "../dialect.ts";
import type { Handle } from "./asked.ts";
import { callerOf, ownerIn } from "./caller.ts";
import { createImage } from "./create-image.ts";
import { createVolume } from "./create-volume.ts";
import { describeCompiler, getCompilers, getProviders } from "./get-compilers.ts";
import { getLogs } from "./get-logs.ts";
import { getImage, getImages, getInstance, getInstances, getVolume, getVolumes } from "./get-objects.ts";
import { getHubImages } from "./hub/get-hub-images.ts";
import { pullImage } from "./hub/pull-image.ts";
import { pushImage } from "./hub/push-image.ts";
import { remoteDelete } from "./hub/remote-delete.ts";
import { deleteImage } from "./image-changes.ts";
import { deleteInstance, startInstance, stopInstance } from "./instance-changes.ts";
import { joined } from "./joined.ts";
import { matchRoute, type Route } from "./match-route.ts";
import { readPath } from "./path.ts";
import { runInstance } from "./run-instance.ts";
import { attachVolume, deleteVolume, detachVolume } from "./volume-changes.ts";

export const BASE = "/unik";

/** Every route beneath {@link BASE} or `/unik/<edge>`: of two that a path is of, the first answers. */
export const ROUTES: readonly Route<Handle>[] = [
  ["GET", "/available_compilers", getCompilers],
  ["GET", "/describe_compiler", describeCompiler],
  ["GET", "/available_providers", getProviders],
  ["GET", "/images", getImages],
  ["GET", "/images/:image", getImage],
  ["GET", "/instances", getInstances],
  ["GET", "/instances/:instance", getInstance],
  ["GET", "/volumes", getVolumes],
  ["GET", "/volumes/:volume", getVolume],
  // before the hub's: `/images/push/create` makes an image called push
  ["POST", "/images/:image/create", createImage],
  ["POST", "/images/push/:image", joined(pushImage)],
  ["POST", "/images/pull/:image", joined(pullImage)],
  ["POST", "/images/remote-delete/:image", joined(remoteDelete), "no edge"],
  ["GET", "/hub/images", getHubImages, "no edge"],
  ["DELETE", "/images/:image", joined(deleteImage)],
  ["POST", "/instances/run", joined(runInstance)],
  ["GET", "/instances/:instance/logs", getLogs],
  ["POST", "/instances/:instance/start", joined(startInstance)],
  ["POST", "/instances/:instance/stop", joined(stopInstance)],
  ["DELETE", "/instances/:instance", joined(deleteInstance)],
  ["POST", "/volumes/:volume", joined(createVolume)],
  ["DELETE", "/volumes/:volume", joined(deleteVolume)],
  ["POST", "/volumes/:volume/attach/:instance", joined(attachVolume)],
  ["POST", "/volumes/:volume/detach", joined(detachVolume)],
];

/** Puts the dialect on an app; what its routes throw, the ground's own handler words with `errors`. */
export function mount(app: Hono<GroundEnv>, core: DialectCore): void {
  app.all(`${BASE}/*`, (c) => answer(c, core, BASE));
}

/** @param base of the paths: the listener of its own has none */
export async function answer(c: DialectContext, core: DialectCore, base: string): Promise<Response> {
  const path = sentPath(c);
  const read = readPath(path, base);
  const route = read && matchRoute(ROUTES, c.req.method, read.parts);
  if (!route) {
    throw new PerigeeError(
      "NOT_FOUND",
      `there is no ${c.req.method} ${path}; what there is: ${base}/… in /openapi.json`,
    );
  }
  const isAnywhere = route.about === "no edge" && read.edge === undefined;
  const owner = isAnywhere ? callerOf(c) : await ownerIn(c, core, read.edge);
  const query = new Map([...readQuery(c)].map(([name, [value]]) => [name, String(value)]));
  return route.handle({ c, core, owner, base, path: read.parts, named: route.named, query });
}

/** The path as it was sent, before anything was decoded or folded in it. */
function sentPath(c: DialectContext): string {
  const target = incomingOf(c)?.url ?? c.env?.target ?? c.req.url;
  return /^(?:https?:\/\/[^/?#]*)?([^?#]*)/i.exec(target)?.[1] ?? "";
}
