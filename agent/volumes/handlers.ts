import type { OperationHandlers } from "../operation.ts";
import { deleteHandler } from "./delete.ts";
import { listHandler } from "./list.ts";
import { readHandler } from "./read.ts";
import { uplinkHandler } from "./uplink/uplink.ts";
import type { VolumeDeps } from "./volume-deps.ts";
import { deleteVolumeHandler, listVolumesHandler } from "./volume-handlers.ts";
import type { Volumes } from "./volumes.ts";

export type VolumeOperation =
  | "volume.uplink"
  | "volume.list"
  | "volume.read"
  | "volume.delete"
  | "volumes.list"
  | "volumes.delete";

/** The operations on volumes. */
export function volumeHandlers(volumes: Volumes, deps: VolumeDeps): Pick<OperationHandlers, VolumeOperation> {
  return {
    "volume.uplink": uplinkHandler(volumes, deps),
    "volume.list": listHandler(volumes, deps),
    "volume.read": readHandler(volumes, deps),
    "volume.delete": deleteHandler(volumes),
    "volumes.list": listVolumesHandler(volumes),
    "volumes.delete": deleteVolumeHandler(volumes, deps),
  };
}
