import { PerigeeError } from "#protocol/errors.ts";
import type { Budget } from "../budget/budget.ts";
import type { DiskMaker } from "../files/disk-maker.ts";

/** What the operations on volumes ask of the agent's other parts. */
export type VolumeDeps = {
  /** Does a pod that has not terminated use the volume? */
  isVolumeInUse(user: string, volume: string): boolean | Promise<boolean>;
  /** Is it the disk of a virtual machine that has not terminated? */
  isDiskInUse(user: string, volume: string): boolean;
  /** gives out the user's quota */
  budget: Budget;
  /** makes disks, where the edge can */
  disks?: DiskMaker;
};

/**
 * The guest's kernel caches the file system on its disk: a write from outside would corrupt it.
 * @throws PerigeeError VOLUME_IN_USE
 */
export function assertNoDisk(
  { isDiskInUse }: Pick<VolumeDeps, "isDiskInUse">,
  user: string,
  volume: string,
): void {
  if (!isDiskInUse(user, volume)) return;
  const why = "is the disk of a virtual machine that has not terminated: until then it can only be read";
  throw new PerigeeError("VOLUME_IN_USE", `The volume ${volume} ${why}`);
}
