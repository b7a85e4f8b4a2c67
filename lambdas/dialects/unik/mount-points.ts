import { PerigeeError } from "#protocol/errors.ts";
import { MACHINES } from "#protocol/machines.ts";
import { mountPoint } from "#protocol/pod-run.ts";
import { machineOf } from "./image-view.ts";

const MOST = { container: 8, linux: MACHINES.linux.volumes, baremetal: MACHINES.baremetal.volumes };

/** The mount points of a comma list, normalised, in its order. @throws INVALID_PARAMETERS naming the one that is none */
export function readMountPoints(list: string, compiler: string): string[] {
  const given = list
    .split(",")
    .map((one) => one.trim())
    .filter((one) => one !== "");
  const points = given.map((one) => {
    const normal =
      one
        .replaceAll(/\/+/g, "/")
        .replace(/(?<=.)\/$/, "")
        .replaceAll(/\/\.(?=\/|$)/g, "") || "/";
    const { success, error } = mountPoint.safeParse(normal);
    if (!success)
      throw invalid(
        `mount point ${one.slice(0, 200)}: ${normal === "/" ? "must not be /" : error.issues[0]?.message}`,
      );
    return normal;
  });
  const twice = points.find((one, n) => points.indexOf(one) !== n);
  if (twice !== undefined) throw invalid(`mount point ${twice} is given twice`);
  const within = points.find((one) => points.some((other) => one.startsWith(`${other}/`)));
  if (within !== undefined) throw invalid(`mount point ${within} lies in another`);
  const machine = machineOf(compiler);
  if (points.length > 0 && machine === "baremetal") {
    throw invalid("an image of the base 'baremetal' has no files, and so no mount points");
  }
  if (points.length > MOST[machine]) throw invalid(`${points.length} mount points: at most ${MOST[machine]}`);
  return points;
}

/** What a run or a start is refused with that has no volume for one of its image's mount points. */
export const missingMount = (at: string) => `required mount point missing from input: ${at}`;

const invalid = (message: string) => new PerigeeError("INVALID_PARAMETERS", message);
