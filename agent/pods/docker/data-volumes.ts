import type { RunMount } from "../pod-runtime.ts";
import type { VolumePart } from "./bind-volume.ts";
import { imagePath, isWithin } from "./image-path.ts";

/**
 * The VOLUMEs of an image that lie beneath a mount of the run. The engine would put an empty directory there, which
 * hides a part of the user's volume; mounted from the user's volume instead, they hide nothing and lose nothing. Pure.
 * @param volumes as the image's configuration has them; a relative one begins at `/`, as for the engine
 */
export function dataVolumes(volumes: readonly string[], mounts: readonly RunMount[]): VolumePart[] {
  return [...new Set(volumes.map(imagePath))].flatMap((target) => {
    const mount = mounts.find(({ at }) => target !== at && isWithin(target, at));
    if (!mount) return [];
    const { path, at, subPath: above, readOnly } = mount;
    const below = target.slice(at.length + 1);
    const subPath = above ? `${above}/${below}` : below;
    return [{ path, target, subPath, name: `the image's VOLUME ${target}`, ...(readOnly && { readOnly }) }];
  });
}
