import { MiB } from "#protocol/limits.ts";
import { attachedTo, type Holdings } from "./holdings.ts";
import { infrastructureOf, sizeMb, timeOf } from "./image-view.ts";
import type { VolumeRecord } from "./records.ts";

/** A volume as it is known: of this API, or made by another. */
export type Volume = VolumeRecord & { bytes: number };

export function volumeView(volume: Volume, holdings: Holdings): object {
  return {
    Id: volume.name,
    Name: volume.name,
    SizeMb: sizeMb(volume.sizeMb === undefined ? volume.bytes : volume.sizeMb * MiB),
    Attachment: attachedTo(holdings, volume.name)?.id ?? "",
    Infrastructure: infrastructureOf(volume.provider),
    Created: timeOf(volume.createdAt),
  };
}
