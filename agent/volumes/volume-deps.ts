/** What the operations on volumes ask of the agent's other parts. */
export type VolumeDeps = {
  /** Does a pod that has not terminated use the volume? */
  isVolumeInUse(user: string, volume: string): boolean | Promise<boolean>;
  /** Byte quota per user, as the ground last said. */
  quota(): number;
  /** Bytes of the user that count against the quota and lie elsewhere on the edge (images). Default: none. */
  usageElsewhere?(user: string): number | Promise<number>;
};
