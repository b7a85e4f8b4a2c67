import path from "node:path";
import type { RunMount, RunSpec } from "#agent/pods/pod-runtime.ts";

/** A whole volume at `/data`, named for its directory unless `volume` says otherwise. */
export function mountOf(directory: string, volume = path.basename(directory).toLowerCase()): RunMount {
  return { volume, path: directory, at: "/data" };
}

/** Host path of the first volume of a run. */
export function volumePathOf({ mounts }: Pick<RunSpec, "mounts">): string {
  const [mount] = mounts;
  if (!mount) throw new Error("the run mounts nothing");
  return mount.path;
}
