import { join } from "node:path";
import { PerigeeError } from "#protocol/errors.ts";
import { killPoint } from "#protocol/kill-point.ts";
import { Directory } from "../files/directory.ts";
import { withOnlyFile } from "../files/only-file.ts";
import { syncTree } from "../files/sync-tree.ts";
import { unpack } from "../files/unpack.ts";
import type { OperationContext, OperationHandler } from "../operation.ts";
import { measureLater } from "./delete.ts";
import { receiveScratch } from "./scratch.ts";
import type { VolumeDeps } from "./volume-deps.ts";
import type { Volumes } from "./volumes.ts";

type Context = OperationContext<"volume.create">;

/** Where the data is unpacked, beside the archive: in the place of the command. */
const MADE = "made";

/**
 * Makes a volume, with the data of a staged archive. It is unpacked beside its place, `commit` is noted, and then it is
 * renamed: before that a failure leaves nothing, after it a restart goes on.
 * @throws PerigeeError VOLUME_EXISTS, DATA_TOO_LARGE, SOURCES_REFUSED, NOT_SUPPORTED, QUOTA_EXCEEDED, STORAGE_FULL
 */
export function createHandler(volumes: Volumes, deps: VolumeDeps): OperationHandler<"volume.create"> {
  return async (context) => {
    const { command, input, journal } = context;
    const { user } = command;
    const committed = journal.notes.find(({ step }) => step === "commit")?.detail as
      | { bytes: number }
      | undefined;
    if (!committed) assertCan(volumes, context);
    if (input.source === "empty") {
      if (!committed) journal.note("commit", { bytes: 0 });
      volumes.ensure(user, input.volume);
      return { bytes: 0 };
    }
    const bytes = committed?.bytes ?? (await fill(volumes, deps, context));
    if (committed) await rename(volumes, context);
    void measureLater(volumes, user);
    return { bytes };
  };
}

function assertCan(volumes: Volumes, { command, input }: Context): void {
  if (input.kind !== "directory" || input.source === "raw") {
    throw new PerigeeError("NOT_SUPPORTED", "The edge keeps volumes as directories, and no disk images");
  }
  if (volumes.exists(command.user, input.volume)) {
    throw new PerigeeError("VOLUME_EXISTS", `volume ${input.volume} already exists`);
  }
}

/** Everything up to the rename. @returns bytes of the data */
async function fill(volumes: Volumes, deps: VolumeDeps, context: Context): Promise<number> {
  const { command, input, journal, signal, progress } = context;
  const { user } = command;
  const most = input.sizeBytes ?? Number.POSITIVE_INFINITY;
  await using archive = await receiveScratch(volumes, context, (bytes) => deps.budget.reserve(user, bytes));
  using reserved = await deps.budget.reserve(user, undefined);
  using place = openPlace(volumes, command.id);
  // of an attempt that was cut short
  if (place.has(MADE)) volumes.trash.take(place, MADE, `${command.id}.${MADE}-${Date.now()}`);
  using made = place.makeDirectory(MADE, 0o777);
  progress({ phase: "unpacking" });
  const bytes = await withOnlyFile(archive.directory, (fd) =>
    unpack(fd, made, {
      signal,
      maxBytes: Math.min(most, deps.budget.quota),
      access: "all",
      leftOut: () => undefined,
      assertRoom: (more) => volumes.assertRoom(more),
    }),
  ).catch((error: unknown) => {
    const over = error instanceof PerigeeError && error.code === "QUOTA_EXCEEDED";
    throw over && most < deps.budget.quota ? tooLarge(error) : error;
  });
  killPoint("volume.unpacked");
  const path = join(volumes.incoming, command.id, MADE);
  await syncTree(path, signal);
  const size = await volumes.measurePath(path);
  signal.throwIfAborted();
  await reserved.land(
    async () => {
      journal.note("commit", { bytes });
      killPoint("volume.committed");
      await rename(volumes, context);
      volumes.count(user, size);
    },
    async () => size,
  );
  return bytes;
}

/** The step after `commit`: it may be repeated. */
async function rename(volumes: Volumes, { command, input }: Context): Promise<void> {
  if (!volumes.exists(command.user, input.volume)) {
    using place = openPlace(volumes, command.id);
    volumes.adopt(command.user, input.volume, place, MADE);
  }
  killPoint("volume.made");
  volumes.discardIncoming(command.id);
  await volumes.trash.empty(`${command.id}.incoming`);
}

function openPlace(volumes: Volumes, command: string): Directory {
  using incoming = Directory.open(volumes.incoming);
  return incoming.openDirectory(command);
}

function tooLarge(cause: unknown): PerigeeError {
  return new PerigeeError("DATA_TOO_LARGE", "data does not fit into size", { cause });
}
