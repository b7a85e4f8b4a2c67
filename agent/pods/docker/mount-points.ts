import type Docker from "dockerode";
import { StartFailure } from "../pod-runtime.ts";
import { imagePath, isWithin } from "./image-path.ts";

const MOST_KNOWN = 1_000;
const MOST_LINKS = 40;
/** The mode of a link, as the engine tells it (Go's `fs.ModeSymlink`). */
const LINK = 2 ** 27;
/** What the engine makes itself: with an image's files there it would hide from a payload what that chose. */
const ENGINES = ["/dev", "/proc", "/sys"];

/**
 * Holds images to real directories where something is mounted: the engine follows a link of the image there, and so
 * would put the user's volume over `/dev`, or a volume of the image over the user's. Asked of the engine, which knows
 * the image's files, once for each image and its places.
 */
export class DockerMountPoints {
  /** why an image cannot start with mounts at these places; undefined: it can */
  readonly #known = new Map<string, string | undefined>();

  /**
   * @param container of the image, created and not started
   * @param volumes paths of the image's VOLUMEs, as they were written
   * @param places where the run has its mounts
   * @throws StartFailure
   */
  async check(
    imageId: string,
    container: Docker.Container,
    volumes: readonly string[],
    places: readonly string[],
  ): Promise<void> {
    const key = JSON.stringify([imageId, ...places]);
    if (!this.#known.has(key)) {
      const refusal = await refusalOf(container, volumes, places);
      if (this.#known.size >= MOST_KNOWN) this.#known.clear();
      this.#known.set(key, refusal);
    }
    const refusal = this.#known.get(key);
    if (refusal !== undefined) throw new StartFailure(refusal);
  }
}

async function refusalOf(
  container: Docker.Container,
  volumes: readonly string[],
  places: readonly string[],
): Promise<string | undefined> {
  for (const place of places) {
    if ((await resolve(container, place)) !== place) {
      return `the image has a link at ${place}, where the volume belongs`;
    }
  }
  for (const declared of volumes) {
    const path = imagePath(declared);
    const real = await resolve(container, path);
    if (real === undefined) return `the image has a VOLUME at ${path} that links lead nowhere`;
    const engines = ENGINES.find((own) => isWithin(real, own));
    if (engines) return `the image has a VOLUME at ${path}, which is in ${engines} of the container engine`;
    const place = real !== path && places.find((one) => isWithin(real, one));
    if (place) {
      return `the image has a VOLUME at ${path}, which is a link into ${place}, where the volume belongs`;
    }
  }
  return undefined;
}

/** Where a path of the image leads, links followed; undefined: in circles. */
async function resolve(container: Docker.Container, path: string): Promise<string | undefined> {
  let done = "";
  const left = partsOf(path);
  for (let links = 0; left.length > 0; ) {
    const next = `${done}/${left.shift()}`;
    const target = await linkOf(container, next);
    if (target === undefined) done = next;
    else {
      if (++links > MOST_LINKS) return undefined;
      // The engine tells where it ends, with all links followed within the image.
      done = "";
      left.unshift(...partsOf(target));
    }
  }
  return done || "/";
}

/** The names on the way to a path. */
function partsOf(path: string): string[] {
  return imagePath(path).split("/").filter(Boolean);
}

/** What a link of the image leads to; undefined for anything else, and where there is nothing. */
async function linkOf(container: Docker.Container, path: string): Promise<string | undefined> {
  try {
    const { headers } = (await container.infoArchive({ path })) as {
      headers: Record<string, string | undefined>;
    };
    const told = Buffer.from(headers["x-docker-container-path-stat"] ?? "", "base64").toString();
    const { mode, linkTarget } = JSON.parse(told) as { mode: number; linkTarget: string };
    return Math.floor(mode / LINK) % 2 === 1 ? linkTarget : undefined;
  } catch (error) {
    if ((error as { statusCode?: number }).statusCode === 404) return undefined;
    throw error;
  }
}
