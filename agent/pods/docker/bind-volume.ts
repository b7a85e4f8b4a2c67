import type Docker from "dockerode";
import { ensureSubPath } from "../ensure-sub-path.ts";
import type { RunMount } from "../pod-runtime.ts";

/** A volume, or a part of it, that is bound into a container. */
export type VolumePart = {
  /** host path of the volume */
  path: string;
  /** what of it: relative, normalised; "" is all of it */
  subPath: string;
  /** where in the container, absolute */
  target: string;
  readOnly?: boolean;
  /** what users know it by, for errors */
  name: string;
};

/** What a run mounts itself. Pure. */
export function partOfMount({ path, subPath = "", at, readOnly }: RunMount): VolumePart {
  return { path, subPath, target: at, name: `the mount ${at}`, ...(readOnly && { readOnly }) };
}

/**
 * The mount that binds a part of a volume; directories that are missing are made, writable for any user id. Nobody may
 * make links on the way to it meanwhile (`volume-use.ts`); uplinks make none.
 * @throws StartFailure where something else than a file or directory stands
 */
export function bindVolume(part: VolumePart): Docker.MountSettings {
  const { subPath, target, readOnly } = part;
  if (subPath !== "") ensureSubPath(part);
  return {
    Type: "bind",
    Source: hostPathOf(part),
    Target: target,
    ...(readOnly && { ReadOnly: true }),
    BindOptions: { Propagation: "rprivate" },
  };
}

/** Host path of what is bound. */
export function hostPathOf({ path, subPath }: Pick<VolumePart, "path" | "subPath">): string {
  return subPath === "" ? path : `${path}/${subPath}`;
}
