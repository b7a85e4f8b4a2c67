import { posix } from "node:path";
import { StartFailure } from "./pod-runtime.ts";

const MOST = 64;

/**
 * A directory with a bound for each VOLUME of an image: left alone a node gives it one that no limit counts. The
 * user's own volume stays where it is. Pure.
 * @param paths as the image's configuration has them
 * @param bytes what each may hold; the pod's limit holds all of them together
 * @throws StartFailure for one that cannot be mounted
 */
export function imageVolumes(
  paths: readonly string[],
  bytes: number,
): { mounts: object[]; volumes: object[] } {
  const clean = paths.map((path) => {
    const whole = posix.normalize(path).replace(/(?<=.)\/$/, "");
    if (!whole.startsWith("/") || whole === "/" || whole.includes(":")) {
      throw new StartFailure(`the image has a VOLUME that cannot be mounted: ${JSON.stringify(path)}`);
    }
    return whole;
  });
  const own = [...new Set(clean)].filter((path) => path !== "/data").sort();
  if (own.length > MOST) throw new StartFailure(`the image has more than ${MOST} VOLUMEs`);
  return {
    mounts: own.map((mountPath, n) => ({ name: `image-${n}`, mountPath })),
    volumes: own.map((_, n) => ({ name: `image-${n}`, emptyDir: { sizeLimit: String(bytes) } })),
  };
}
