import type { OperationHandlers } from "../operation.ts";
import { deleteHandler, type FileDelete } from "./delete.ts";
import { listHandler } from "./list.ts";
import { readHandler } from "./read.ts";
import { uplinkHandler } from "./uplink/uplink.ts";
import { deleteVolumeHandler, listVolumesHandler, type VolumeRemove } from "./volume-handlers.ts";
import type { Volumes } from "./volumes.ts";

export type VolumeDeps = {
  /** Does a pod that has not terminated use the volume? */
  isVolumeInUse(user: string, volume: string): boolean | Promise<boolean>;
  /** Byte quota per user, as the ground last said. */
  quota(): number;
  /** Bytes of the user that count against the quota and lie elsewhere on the edge (images). Default: none. */
  usageElsewhere?(user: string): number | Promise<number>;
};

export type VolumeOperation =
  | "volume.uplink"
  | "volume.list"
  | "volume.read"
  | FileDelete
  | "volumes.list"
  | VolumeRemove;

/** The operations on volumes. */
export function volumeHandlers(volumes: Volumes, deps: VolumeDeps): Pick<OperationHandlers, VolumeOperation> {
  return {
    "volume.uplink": uplinkHandler(volumes, deps),
    "volume.list": listHandler(volumes, deps),
    "volume.read": readHandler(volumes, deps),
    "file.delete": deleteHandler(volumes),
    "volume.delete": deleteHandler(volumes),
    "volumes.list": listVolumesHandler(volumes),
    "volume.remove": deleteVolumeHandler(volumes, deps),
    "volumes.delete": deleteVolumeHandler(volumes, deps),
  };
}
