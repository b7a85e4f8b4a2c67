import fs from "node:fs";
import { PerigeeError } from "#protocol/errors.ts";
import { type ImageName, isHub, type TaggedReference } from "#protocol/image-reference.ts";
import { inSpace } from "#protocol/names.ts";
import { isMissing, type Opened, openBeneath } from "../../files/open-beneath.ts";
import { FileShrank } from "../../files/read-exactly.ts";
import { TarError } from "../../files/tar-parser.ts";
import type { OperationContext, OperationHandler } from "../../operation.ts";
import type { ImageDeps } from "../image-deps.ts";
import type { ImageStore } from "../image-store.ts";
import type { LogTail } from "../log-tail.ts";
import { makeImage } from "../make-image.ts";
import { LoadError, loadArchive } from "./load-archive.ts";

type LoadContext = OperationContext<"image.load">;

/** Loads an image from an archive in a volume. @throws PerigeeError IMAGE_LOAD_FAILED with `log_tail` */
export function loadImage(store: ImageStore, deps: ImageDeps): OperationHandler<"image.load"> {
  return makeImage(store, deps, {
    code: "IMAGE_LOAD_FAILED",
    message: "Docker Image tarfile failed to load",
    errors: [LoadError, TarError, FileShrank],
    make: (context, image, tail, stop) => load(store, deps, context, image, tail, stop),
  });
}

async function load(
  store: ImageStore,
  deps: ImageDeps,
  { command, input, progress }: LoadContext,
  image: ImageName,
  tail: LogTail,
  signal: AbortSignal,
): Promise<string> {
  const { user } = command;
  const fd = openArchive(deps, user, inSpace(input.volume, input.space), input.tarfile);
  try {
    const named = {
      matches: matcher(store, inSpace(user, input.space), image),
      expected: `${image.name}:${image.tag}`,
    };
    return await loadArchive(fd, { command, progress, store, deps, tail, signal, named });
  } finally {
    fs.closeSync(fd);
  }
}

function openArchive(deps: ImageDeps, user: string, volumeName: string, path: string): number {
  const missing = new LoadError(`sh: line 1: ${path}: No such file or directory`);
  using volume = deps.openVolume(user, volumeName);
  if (!volume) throw missing;
  let opened: Opened;
  try {
    opened = openBeneath(volume, path);
  } catch (error) {
    if (isMissing(error)) throw missing;
    if (error instanceof PerigeeError && error.code === "ILLEGAL_PATH") {
      throw new LoadError(`sh: line 1: ${path}: leads through a link`);
    }
    throw error;
  }
  if (opened.kind === "file") return opened.fd;
  if (opened.kind === "directory") opened.directory.close();
  throw new LoadError(`sh: line 1: ${path || "."}: Is not a regular file`);
}

/**
 * The name used when the archive was made: as given, in Docker's long form, as podman and buildah call what they
 * built (`localhost/name`), or as the image is called onboard.
 */
function matcher(store: ImageStore, owner: string, image: ImageName): (tag: TaggedReference) => boolean {
  return ({ host, name, tag }) => {
    if (tag !== image.tag) return false;
    if (host !== undefined && host !== "localhost" && !isHub(host) && !store.registries.includes(host))
      return false;
    return name === image.name || name === `library/${image.name}` || name === `${owner}-${image.name}`;
  };
}
