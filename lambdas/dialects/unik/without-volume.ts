import type { InstanceRecord } from "./records.ts";

/** An instance that a volume is attached to no more. Pure. */
export function withoutVolume(instance: InstanceRecord, volume: string): InstanceRecord {
  const mounts = instance.mounts.map((one) => (one.volume === volume ? { at: one.at } : one));
  return { ...instance, mounts };
}
