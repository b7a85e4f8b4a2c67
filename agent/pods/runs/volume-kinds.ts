import { PerigeeError } from "#protocol/errors.ts";
import type { RunRecord } from "./run-record.ts";

type Run = Pick<RunRecord, "provider" | "volumes">;

/** Does the provider run virtual machines, whose volumes are disks? */
export function isMachine(provider: string | undefined): boolean {
  return provider === "qemu";
}

/**
 * A volume is a disk of machines or a directory of containers, never both at once: each would write what the other does
 * not see. Pure.
 * @param open the user's runs that have not ended
 * @throws PerigeeError VOLUME_IN_USE
 */
export function assertOneKind(run: Run, open: readonly Run[]): void {
  const machine = isMachine(run.provider);
  const others = open.filter(({ provider }) => isMachine(provider) !== machine);
  const volume = Object.keys(run.volumes).find((name) =>
    others.some(({ volumes }) => Object.hasOwn(volumes, name)),
  );
  if (volume === undefined) return;
  const by = machine ? "a container" : "a virtual machine";
  throw new PerigeeError("VOLUME_IN_USE", `The volume ${volume} is in use by ${by} that has not terminated`);
}
