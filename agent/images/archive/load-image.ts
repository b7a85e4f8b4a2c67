import { createHash } from "node:crypto";
import fs from "node:fs";
import { Readable } from "node:stream";
import { PerigeeError } from "#protocol/errors.ts";
import { type ImageName, isHub, type TaggedReference } from "#protocol/image-reference.ts";
import { LIMITS } from "#protocol/limits.ts";
import { inSpace } from "#protocol/names.ts";
import { isMissing, type Opened, openBeneath } from "../../files/open-beneath.ts";
import { FileShrank } from "../../files/read-exactly.ts";
import { TarError } from "../../files/tar-parser.ts";
import type { OperationContext, OperationHandler } from "../../operation.ts";
import type { ImageDeps } from "../image-deps.ts";
import { isAgentLabel } from "../image-labels.ts";
import type { ImageStore } from "../image-store.ts";
import type { LogTail } from "../log-tail.ts";
import { makeImage } from "../make-image.ts";
import { ArchiveFile } from "./archive-stream.ts";
import { emitImage } from "./emit-image.ts";
import { readSavedImage, type SavedImage } from "./saved-image.ts";

type LoadContext = OperationContext<"image.load">;

/** An archive that cannot be loaded: `message` is a line for the log. */
class LoadError extends Error {
  override readonly name = "LoadError";
}

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
  progress({ phase: "checking" });
  const platform = await store.platform();
  const fd = openArchive(deps, user, inSpace(input.volume, input.space), input.tarfile);
  try {
    const { size } = fs.fstatSync(fd);
    const archive = new ArchiveFile(fd, { maxBytes: deps.budget.quota, maxEntries: LIMITS.archiveEntries });
    const architectures = deps.architectures ?? [platform.architecture];
    const saved = await readSavedImage(
      archive,
      {
        matches: matcher(store, inSpace(user, input.space), image),
        expected: `${image.name}:${image.tag}`,
        architectures,
      },
      signal,
    );
    await assertLabels(store, saved);
    const reference = store.temporaryName(command.id);
    const emitted = emitImage(archive, saved, {
      reference,
      maxBytes: deps.budget.quota,
      signal,
      onBytes: (done) => progress({ phase: "loading", done, total: size, unit: "bytes" }),
    });
    const id = await store.load({
      command: command.id,
      user,
      signal,
      archive: Readable.from(emitted, { objectMode: false }),
      onLine: (line) => tail.add(line),
    });
    await verify(store, id, saved, architectures);
    return id;
  } finally {
    fs.closeSync(fd);
  }
}

/** Only an image that was built here has the agent's labels, and it is onboard already. */
async function assertLabels(store: ImageStore, { config, ourLabels }: SavedImage): Promise<void> {
  const [label] = ourLabels;
  if (label === undefined) return;
  const id = `sha256:${createHash("sha256").update(config).digest("hex")}`;
  if (await store.inspect(id)) return;
  throw reserved(label);
}

/** What the engine read, whatever we read. */
async function verify(
  store: ImageStore,
  id: string,
  saved: SavedImage,
  fits: readonly string[],
): Promise<void> {
  const loaded = await store.inspect(id);
  // the engine has nothing to say of an architecture that the config does not name
  if (loaded?.os !== "linux" || (loaded.architecture !== "" && !fits.includes(loaded.architecture))) {
    throw new LoadError(`the image is not for linux/${fits.join(", linux/")}`);
  }
  const unread = Object.keys(loaded.labels).find(
    (key) => isAgentLabel(key) && !saved.ourLabels.includes(key),
  );
  if (unread !== undefined) throw reserved(unread);
}

function reserved(label: string): LoadError {
  return new LoadError(
    `the image has the label ${label.slice(0, 200)}: labels that begin with perigee. are reserved; build it without`,
  );
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
