import { type Stats, statSync } from "node:fs";

/** The device file of the host's own virtualisation. */
export const KVM = "/dev/kvm";

/** What an unprivileged user needs to open the device. `group`: whose members may; absent: everybody may. */
export type KvmAccess = { group?: number };

/** Looks at the device without opening it. @returns why it is not used; undefined: this machine has none */
export function findKvm(): KvmAccess | string | undefined {
  const found = statSync(KVM, { throwIfNoEntry: false });
  return found?.isCharacterDevice() ? kvmAccess(found) : undefined;
}

/** What the mode and group of the device file allow. @returns the reason where only root may use it */
export function kvmAccess({ mode, gid }: Pick<Stats, "mode" | "gid">): KvmAccess | string {
  if ((mode & 0o006) === 0o006) return {};
  if ((mode & 0o060) !== 0o060) return `no group may read and write ${KVM}`;
  if (gid === 0) return `${KVM} belongs to the group root, which no machine is put into`;
  return { group: gid };
}
