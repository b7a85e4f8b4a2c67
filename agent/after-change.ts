import type { OperationName } from "#protocol/operations.ts";

/** What an operation that succeeded may have changed, so that others look again. */
export type Changed = {
  /** bytes that the user holds */
  usage?: true;
  /** which images there are, for runs that wait for one */
  images?: true;
  /** images of the user's own, for a registry that is to have them */
  ownImages?: true;
};

const IMAGE: Changed = { usage: true, images: true, ownImages: true };

const CHANGES: Partial<Record<OperationName, Changed>> = {
  "volume.uplink": { usage: true },
  "volume.patch": { usage: true },
  "file.delete": { usage: true },
  "volume.delete": { usage: true },
  "volume.remove": { usage: true },
  "volumes.delete": { usage: true },
  "volume.create": { usage: true },
  "image.compile": IMAGE,
  "image.build": IMAGE,
  "image.load": IMAGE,
  "image.import": IMAGE,
  "image.delete": IMAGE,
  "edge.publish": { images: true },
  "fpga.store": { usage: true },
  "fpga.delete": { usage: true },
};

/** What follows from an operation; nothing for what changes neither files nor images by itself. */
export function changedBy(operation: OperationName): Changed {
  return CHANGES[operation] ?? {};
}
