import { PerigeeError } from "#protocol/errors.ts";
import type { OperationHandler } from "../operation.ts";
import { emptyTrash, measureLater } from "./delete.ts";
import type { VolumeDeps } from "./handlers.ts";
import type { Volumes } from "./volumes.ts";

/** The user's volumes of one space with their sizes. */
export function listVolumesHandler(volumes: Volumes): OperationHandler<"volumes.list"> {
  return async ({ command, input, signal }) => {
    const all = await volumes.listVolumes(command.user, signal);
    const own = all.flatMap((volume) => {
      const [name = "", space] = volume.name.split(".");
      return space === input.space ? [{ ...volume, name }] : [];
    });
    return { volumes: own };
  };
}

/** Both names of the operation: the older one is what grounds up to 0.2 send. */
export type VolumeRemove = "volume.remove" | "volumes.delete";

/**
 * Deletes a volume with everything in it. A redone delete that finds nothing has succeeded.
 * @throws PerigeeError VOLUME_NOT_FOUND, VOLUME_IN_USE
 */
export function deleteVolumeHandler(volumes: Volumes, deps: VolumeDeps): OperationHandler<VolumeRemove> {
  return async ({ command, input, journal, signal }) => {
    const begun = journal.notes.some(({ step }) => step === "commit");
    const moved = journal.notes.some(({ step }) => step === "moved") || volumes.trash.has(command.id);
    if (!moved) {
      if (!begun && !volumes.exists(command.user, input.volume)) {
        throw new PerigeeError("VOLUME_NOT_FOUND", `There is no volume ${input.volume}`);
      }
      if (await deps.isVolumeInUse(command.user, input.volume)) {
        throw new PerigeeError(
          "VOLUME_IN_USE",
          `The volume ${input.volume} is in use by a pod that has not terminated`,
        );
      }
      signal.throwIfAborted();
      if (!begun) journal.note("commit");
      volumes.takeAway(command.user, input.volume, command.id);
      journal.note("moved");
    }
    await emptyTrash(volumes, command.id, signal);
    void measureLater(volumes, command.user);
    return {};
  };
}
