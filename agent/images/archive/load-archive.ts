import { createHash } from "node:crypto";
import fs from "node:fs";
import { Readable } from "node:stream";
import { LIMITS } from "#protocol/limits.ts";
import type { OperationContext } from "../../operation.ts";
import type { ImageDeps } from "../image-deps.ts";
import { isAgentLabel } from "../image-labels.ts";
import type { ImageStore } from "../image-store.ts";
import type { LogTail } from "../log-tail.ts";
import { ArchiveFile, fileArchive } from "./archive-stream.ts";
import { emitImage } from "./emit-image.ts";
import { readSavedImage, type SavedImage, type Wanted } from "./saved-image.ts";

/** An archive that cannot be loaded: `message` is a line for the log. */
export class LoadError extends Error {
  override readonly name = "LoadError";
}

type Loading = Pick<OperationContext, "command" | "progress"> & {
  store: ImageStore;
  deps: ImageDeps;
  tail: LogTail;
  signal: AbortSignal;
  /** the name that the archive must give its image (default: whatever it is called there) */
  named?: Wanted["named"];
};

/**
 * Loads the one image of an archive that anybody may have made: read as data, checked, and written again.
 * @returns its ID; it has the command's temporary name
 * @throws TarError, LoadError, ImageWorkFailed, the signal's reason
 */
export async function loadArchive(
  fd: number,
  { command, progress, store, deps, tail, signal, named }: Loading,
): Promise<string> {
  progress({ phase: "checking" });
  const platform = await store.platform();
  const architectures = deps.architectures ?? [platform.architecture];
  const { size } = fs.fstatSync(fd);
  const bounds = { maxBytes: deps.budget.quota, maxEntries: LIMITS.archiveEntries };
  const archive = new ArchiveFile(fileArchive(fd), bounds);
  const saved = await readSavedImage(archive, { ...(named && { named }), architectures }, signal);
  await assertLabels(store, saved);
  const emitted = emitImage(archive, saved, {
    reference: store.temporaryName(command.id),
    maxBytes: deps.budget.quota,
    signal,
    onBytes: (done) => progress({ phase: "loading", done, total: size, unit: "bytes" }),
  });
  const id = await store.load({
    command: command.id,
    user: command.user,
    signal,
    archive: Readable.from(emitted, { objectMode: false }),
    onLine: (line) => tail.add(line),
  });
  await verify(store, id, saved, architectures);
  return id;
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
