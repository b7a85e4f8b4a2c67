import { inSpace } from "#protocol/names.ts";
import type { OperationHandler, OperationHandlers } from "../operation.ts";
import { chunksHandler } from "./chunks.ts";
import { createHandler } from "./create.ts";
import { deleteHandler, type FileDelete } from "./delete.ts";
import { listHandler } from "./list.ts";
import { readHandler } from "./read.ts";
import { patchHandler } from "./uplink/patch.ts";
import { uplinkHandler } from "./uplink/uplink.ts";
import type { VolumeDeps } from "./volume-deps.ts";
import { deleteVolumeHandler, listVolumesHandler, type VolumeRemove } from "./volume-handlers.ts";
import type { Volumes } from "./volumes.ts";

export type VolumeOperation =
  | "volume.uplink"
  | "volume.patch"
  | "volume.chunks"
  | "volume.list"
  | "volume.read"
  | "volume.create"
  | FileDelete
  | "volumes.list"
  | VolumeRemove;

/** Gives the handler the volume's name with its space, under which no other dialect has a volume. */
function withSpace<O extends Exclude<VolumeOperation, "volumes.list">>(
  handler: OperationHandler<O>,
): OperationHandler<O> {
  return (context) => {
    const { volume, space } = context.input;
    return handler({ ...context, input: { ...context.input, volume: inSpace(volume, space) } });
  };
}

/** The operations on volumes. */
export function volumeHandlers(volumes: Volumes, deps: VolumeDeps): Pick<OperationHandlers, VolumeOperation> {
  return {
    "volume.uplink": withSpace(uplinkHandler(volumes, deps)),
    "volume.patch": withSpace(patchHandler(volumes, deps)),
    "volume.chunks": withSpace(chunksHandler(volumes)),
    "volume.list": withSpace(listHandler(volumes, deps)),
    "volume.read": withSpace(readHandler(volumes, deps)),
    "volume.create": withSpace(createHandler(volumes, deps)),
    "file.delete": withSpace(deleteHandler(volumes, deps)),
    "volume.delete": withSpace(deleteHandler(volumes, deps)),
    "volumes.list": listVolumesHandler(volumes),
    "volume.remove": withSpace(deleteVolumeHandler(volumes, deps)),
    "volumes.delete": withSpace(deleteVolumeHandler(volumes, deps)),
  };
}
