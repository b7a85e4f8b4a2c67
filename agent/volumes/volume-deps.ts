import type { Budget } from "../budget/budget.ts";
import type { DiskMaker } from "../files/disk-maker.ts";

/** What the operations on volumes ask of the agent's other parts. */
export type VolumeDeps = {
  /** Does a pod that has not terminated use the volume? */
  isVolumeInUse(user: string, volume: string): boolean | Promise<boolean>;
  /** gives out the user's quota */
  budget: Budget;
  /** makes disks, where the edge can */
  disks?: DiskMaker;
};
