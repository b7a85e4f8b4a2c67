import { PerigeeError } from "#protocol/errors.ts";
import type { PodRun } from "#protocol/pod-run.ts";
import { containerImageId } from "../../fields/container-image-id.ts";
import type { AskedRun } from "../complete-run.ts";
import type { DialectCore } from "../core.ts";
import type { ImageRecord } from "./images/image-record.ts";
import { partsOf } from "./parts.ts";
import { projectOf } from "./project.ts";

const NONE = "none";
const ID = /^[0-9a-f]{32}$/;

/**
 * A run on an FPGA node gets the image that its user chose, or the one that its container image is associated with. The
 * choice is part of the command, so that a run which waits for its time keeps it.
 * @throws INVALID_PARAMETERS, FPGA_IMAGE_NOT_FOUND, FPGA_IMAGE_NOT_ACTIVE
 */
export async function completeRun(
  core: DialectCore,
  { user, edge, run, fpgaImage }: AskedRun,
): Promise<PodRun> {
  if (fpgaImage === NONE) return run;
  if (run.kind !== "FPGA") {
    if (fpgaImage === undefined) return run;
    throw new PerigeeError("INVALID_PARAMETERS", "fpga_image: is only for a run on the node FPGA");
  }
  const account = await core.users.stored(user);
  if (!account) return run;
  const { images } = partsOf(core);
  const project = projectOf(account, edge).id;
  let image: ImageRecord | undefined;
  if (fpgaImage === undefined) {
    const pairs = await images.pairs(project, { container: containerImageId(project, user, run.image) });
    if (pairs.length > 1) {
      const names = pairs.map((pair) => `${pair.image.id} (${pair.image.name})`).join(", ");
      throw new PerigeeError(
        "INVALID_PARAMETERS",
        `fpga_image: ${run.image} is associated with several FPGA images, choose one: ${names}`,
      );
    }
    image = pairs[0]?.image;
    if (!image) return run;
  } else image = chosen(await images.all(project), fpgaImage);
  if (image.status !== "active") {
    throw new PerigeeError(
      "FPGA_IMAGE_NOT_ACTIVE",
      `The FPGA image ${image.id} (${image.name}) is ${image.status}, not active`,
    );
  }
  return { ...run, fpga: { image: image.id } };
}

/** The image of that id, or the only active one of that name. @throws FPGA_IMAGE_NOT_FOUND, INVALID_PARAMETERS */
function chosen(images: readonly ImageRecord[], wanted: string): ImageRecord {
  const byId = ID.test(wanted) ? images.find(({ id }) => id === wanted) : undefined;
  if (byId) return byId;
  const named = images.filter(({ name }) => name === wanted);
  const active = named.filter(({ status }) => status === "active");
  const [first, second] = active;
  if (first && second) {
    const ids = active.map(({ id }) => id).join(", ");
    throw new PerigeeError(
      "INVALID_PARAMETERS",
      `fpga_image: several active FPGA images have the name ${wanted}, choose by id: ${ids}`,
    );
  }
  // one that is not active says so, rather than that there is none
  const found = first ?? named.at(-1);
  if (!found)
    throw new PerigeeError("FPGA_IMAGE_NOT_FOUND", `There is no FPGA image ${JSON.stringify(wanted)}`);
  return found;
}
