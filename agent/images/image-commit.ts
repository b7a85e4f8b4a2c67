import { PerigeeError } from "#protocol/errors.ts";
import { type ImageName, parseOwnImage } from "#protocol/image-reference.ts";
import { killPoint } from "#protocol/kill-point.ts";
import { atFreeSpaceFloor } from "../files/free-space.ts";
import { RoomWatch } from "../files/room-watch.ts";
import type { JournalEntry } from "../operation.ts";
import type { ImageDeps } from "./image-deps.ts";
import type { ImageStore } from "./image-store.ts";

export type Making<P extends AsyncDisposable | undefined> = {
  store: ImageStore;
  deps: ImageDeps;
  command: string;
  user: string;
  /** whose image it will be: the user, with the space if it is in one */
  owner: string;
  image: ImageName;
  journal: JournalEntry;
  signal: AbortSignal;
  /** gets what `make` needs, before the quota is reserved; it is disposed of when the image is made */
  prepare(): Promise<P>;
  /** makes the image under the command's temporary name; what it throws leaves nothing behind */
  make(signal: AbortSignal, prepared: P): Promise<string>;
};

/**
 * Makes an image and gives it its name, once, whatever was cut before: what was made is journalled as
 * `commit` before anyone can see it, and from there on it only goes forward.
 * @throws PerigeeError QUOTA_EXCEEDED, STORAGE_FULL; what `make` throws; the signal's reason
 */
export async function makeOnce<P extends AsyncDisposable | undefined>(making: Making<P>): Promise<void> {
  const { store, deps, command, user, owner, image, journal } = making;
  const committed = journal.notes.findLast((note) => note.step === "commit")?.detail as
    | { id: string }
    | undefined;
  // gone only if someone else took it from the engine: then it is made again
  if (committed && (await store.inspect(committed.id))) {
    await store.commit(owner, image, committed.id, command);
    return deps.discardStaged(command);
  }
  await store.discard(command);
  await using prepared = await making.prepare();
  // the size is only known once the image is made
  using reserved = await deps.budget.reserve(user, undefined);
  let noted = false;
  try {
    const id = await whileThereIsRoom(making, (signal) => making.make(signal, prepared));
    making.signal.throwIfAborted();
    const name = async () => {
      killPoint("images.made");
      journal.note("commit", { id });
      noted = true;
      await store.commit(owner, image, id, command);
    };
    await reserved.land(
      name,
      async () => (await store.usageWith(owner, image, id)) - (await store.usage(user)),
    );
  } catch (error) {
    // what cannot be discarded now is at the next start
    if (!noted) await store.discard(command).catch(() => {});
    throw error;
  }
}

/** @throws PerigeeError INVALID_PARAMETERS */
export function imageNameOf(text: string, space?: string): ImageName {
  const image = parseOwnImage(text, space);
  if (image) return image;
  throw new PerigeeError(
    "INVALID_PARAMETERS",
    "image must be an image name without registry host and digest, for example tool or tool:v1",
  );
}

/** Stops the work when the disk is at its floor: nothing else stops a build step that writes for ever. */
async function whileThereIsRoom(
  { store, deps, signal }: { store: Pick<ImageStore, "settled">; deps: ImageDeps; signal: AbortSignal },
  make: (signal: AbortSignal) => Promise<string>,
): Promise<string> {
  const isFull = () => (deps.room?.() ?? 1) <= 0;
  const assertRoom = () => {
    if (isFull()) throw atFreeSpaceFloor();
  };
  // what a command before has left is being cleaned away
  if (isFull()) await store.settled();
  assertRoom();
  using room = new RoomWatch(assertRoom);
  return await make(AbortSignal.any([signal, room.signal]));
}
