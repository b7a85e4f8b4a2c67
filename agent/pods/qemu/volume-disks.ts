import type Docker from "dockerode";
import { PerigeeError } from "#protocol/errors.ts";
import { MiB } from "#protocol/limits.ts";
import { HELPER_LABEL } from "../../engine/helper-containers.ts";
import { type DiskMaker, fittingBytes, type NewDisk } from "../../files/disk-maker.ts";
import type { KnownVmImages } from "./images/known-vm-images.ts";
import { makeDisk } from "./make-disk.ts";

type Deps = {
  docker: Docker;
  /** unique per agent: label of the containers that make disks */
  instance: string;
  /** the images for machines: without them no disk is made */
  images: Pick<KnownVmImages, "get">;
};

/** Makes the disks of volumes for virtual machines, with the tools of their images. */
export class VolumeDisks implements DiskMaker {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  async requireTools(): Promise<void> {
    await this.#tools();
  }

  async make({ kind, sizeBytes, files, to, signal, assertRoom }: NewDisk): Promise<void> {
    const { docker, instance } = this.#deps;
    const size = sizeBytes === undefined ? "fit" : String(Math.ceil(sizeBytes / MiB));
    const bytes = files?.bytes ?? 0;
    const made = await makeDisk(docker, {
      ...{ tools: await this.#tools(), labels: { [HELPER_LABEL]: instance }, to, signal },
      ...{ script: "volume-disk", args: [kind, size], assertRoom },
      // the engine has the files and the disk, and then the disk is here too
      bytes: bytes + 2 * (sizeBytes ?? fittingBytes(bytes)),
      ...(files && { files: async () => files.tar }),
    });
    if (made === "made") return;
    if (made === "too large" && sizeBytes !== undefined) {
      throw new PerigeeError("DATA_TOO_LARGE", "data does not fit into size");
    }
    throw new PerigeeError("SOURCES_REFUSED", `the data makes no disk with ${kind}`);
  }

  async #tools(): Promise<string> {
    const found = await this.#deps.images.get();
    if (found) return found.build;
    const why = "the images for virtual machines are not there";
    throw new PerigeeError("NOT_SUPPORTED", `The edge cannot make a volume that is a disk: ${why}`);
  }
}
