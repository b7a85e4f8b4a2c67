import { MiB } from "#protocol/limits.ts";
import { LABEL } from "#protocol/names.ts";
import type { PodRun } from "#protocol/pod-run.ts";
import type { ImageContent, InstanceRecord, VolumeRecord } from "./records.ts";

/** Where this API's images are; volumes are the user's own, shared with other APIs. */
export const SPACE = "unik";

/** What an instance has between SIGTERM and SIGKILL. */
const GRACE_MS = 10_000;

/** With this names of the pods begin that are instances: a name of a pod begins with a letter. */
export const POD_PREFIX = "i";

/** The pod that is an instance. */
export const podNameOf = (id: string) => `${POD_PREFIX}${id.toLowerCase()}`;

/** A run of an instance as it is recorded, with the volumes that are attached now. */
export function runOf(
  instance: Pick<InstanceRecord, "pod" | "name" | "mounts" | "memoryMb" | "env" | "provider">,
  { ref, ports }: Pick<ImageContent, "ref" | "ports">,
  volumes: readonly Pick<VolumeRecord, "name" | "volume">[],
): PodRun {
  const labels = new Map(volumes.map(({ name, volume }) => [name, volume]));
  return {
    pod: instance.pod,
    imageSpace: SPACE,
    image: ref,
    provider: instance.provider,
    mounts: instance.mounts.flatMap(({ at, volume }) =>
      volume === undefined ? [] : [{ volume: labels.get(volume) ?? volume, at, mustExist: true }],
    ),
    onSameName: "refuse",
    graceMs: GRACE_MS,
    limits: { memoryBytes: instance.memoryMb * MiB },
    network: "user",
    address: true,
    ports,
    envs: instance.env,
    ...(LABEL.test(instance.name) && { hostname: instance.name }),
  };
}
