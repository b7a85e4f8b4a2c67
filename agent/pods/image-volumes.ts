import { imagePath, isWithin } from "./image-path.ts";

/** Mounted in every pod, by us or by the container engine: an image cannot put a volume in their place. */
const OURS = ["/data", "/dev", "/proc", "/sys"];

/**
 * Which declared `VOLUME` paths of an image are scratch space of a run: cleaned, absolute, sorted, each once. What lies
 * at or beneath `/data` is the user's volume, and `/`, `/dev`, `/proc` and `/sys` are never an image's. Pure.
 * @param paths as the image's configuration has them; a relative one begins at `/`, as for container engines
 */
export function scratchVolumes(paths: readonly string[]): string[] {
  return [...new Set(paths.map(imagePath))]
    .filter((path) => path !== "/" && !OURS.some((own) => isWithin(path, own)))
    .sort();
}
