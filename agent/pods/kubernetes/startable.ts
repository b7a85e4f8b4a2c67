import { existsSync } from "node:fs";
import { ensureSubPath } from "../ensure-sub-path.ts";
import { type RunSpec, StartFailure } from "../pod-runtime.ts";

/**
 * Makes what the run's mounts need in its volumes. The nodes find a part of a volume without leaving the volume.
 * @throws StartFailure when the run can never start: a volume is not there, or a cluster does not know such a limit
 */
export function assertStartable({
  mounts,
  limits,
  runner,
}: Pick<RunSpec, "mounts" | "limits" | "runner">): void {
  if (mounts.some(({ path }) => !existsSync(path))) throw new StartFailure("the volume does not exist");
  // The bound of a runner is the edge's, and its nodes hold it as they do for every pod.
  if (limits?.pids !== undefined && !runner) {
    throw new StartFailure(
      "a cluster bounds the processes of all pods of a node alike, not those of one pod",
    );
  }
  for (const { path, subPath, at } of mounts) {
    if (subPath) ensureSubPath({ path, subPath, name: `the mount ${at}` });
  }
}
